/**
 * What a node shows of its membership in a handshake, and how the other end judges it: the function
 * that the session machine is given.
 *
 * ```text
 *   {c?: certificate, l?: alias}     nothing at all for a joiner
 * ```
 *
 * Between members both show a certificate. In an invite session the admitter shows one that lets it
 * admit, or whoever is a member could write "invites" and answer them with a key of its own; the joiner
 * has none yet: it comes in with no grants at all, to redeem and nothing else.
 *
 * @module
 */
import { fail, isAlias, type NetworkId, type NodeId, ok, type Result } from "../base/mod.ts";
import { type CborMap, decodeCborMap, encodeCbor } from "../wire/mod.ts";
import {
  type Certificate,
  CERTIFICATE_BYTES_MAX,
  type CertificateReason,
  type IsRevoked,
  reasonOfTime,
  verifyCertificate,
} from "./certificate.ts";
import { bytesOf, optional, readFields, textOf } from "./fields.ts";
import type { Grant } from "./grants.ts";

/** What a node shows. */
export interface Shown {
  readonly certificate: Uint8Array | null;
  readonly alias: string | null;
}

/** Who shows something, as the session machine tells it; its key was proven. */
export interface Claim {
  readonly network: NetworkId;
  readonly kind: "epoch" | "invite";
  readonly node: NodeId;
  /** Whether we began: then the peer is whom we asked for. */
  readonly initiator: boolean;
  readonly payload: Uint8Array;
}

/** A peer as its membership says, for as long as its session lasts. */
export interface Member {
  readonly network: NetworkId;
  readonly node: NodeId;
  readonly kind: "epoch" | "invite";
  /** Self-claimed. */
  readonly alias: string | null;
  /** What it may do; nothing for a joiner. */
  readonly grants: readonly Grant[];
  /** `null` for a joiner. */
  readonly certificate: Certificate | null;
}

/** Why a peer is not let in; told to it. */
export type ClaimReason = CertificateReason | "no-certificate" | "no-admitter";

/** What one knows of the networks in which peers are judged. */
export interface PeerChecks {
  /** The revocations of a network that one is in or about to join; `undefined` for any other. */
  readonly revocationsOf: (network: NetworkId) => IsRevoked | undefined;
  /** Unix milliseconds, now. */
  readonly nowMs: () => number;
}

/** Bytes of what is shown, at most. */
export const SHOWN_BYTES_MAX = CERTIFICATE_BYTES_MAX + 64;

const FIELDS = {
  c: optional(bytesOf({ min: 1, max: CERTIFICATE_BYTES_MAX })),
  l: optional(textOf(32, isAlias)),
};

/** The payload to show in a handshake. */
export function encodeShown(shown: Shown): Uint8Array {
  const { certificate, alias } = shown;
  const map: CborMap = {
    ...(certificate === null ? {} : { c: certificate }),
    ...(alias === null ? {} : { l: alias }),
  };
  return encodeCbor(map);
}

/** Reads what a peer showed; nothing at all is fine. Fields that this version does not know pass. */
export function parseShown(payload: Uint8Array): Result<Shown, "malformed"> {
  if (payload.length === 0) return ok({ certificate: null, alias: null });
  const map = decodeCborMap(payload, { bytesMax: SHOWN_BYTES_MAX });
  const fields = map.ok ? readFields(map.value, FIELDS, "ignore") : map;
  if (!fields.ok) return fail("malformed");
  return ok({ certificate: fields.value.c ?? null, alias: fields.value.l ?? null });
}

/** The judge of peers for the session machine. */
export function peerVerifier(checks: PeerChecks): (claim: Claim) => Result<Member, ClaimReason> {
  return (claim) => {
    const isRevoked = checks.revocationsOf(claim.network);
    if (isRevoked === undefined) return fail("foreign-network");
    const shown = parseShown(claim.payload);
    if (!shown.ok) return shown;
    if (claim.kind === "invite" && !claim.initiator) return ok(joiner(claim, shown.value.alias));
    return verifyMember(claim, shown.value, { isRevoked, nowMs: checks.nowMs() });
  };
}

/** Why a member may not stay, judged again while its session lasts; `undefined`: it may. */
export function reasonToLeave(
  { certificate }: Member,
  checks: { readonly nowMs: number; readonly isRevoked: IsRevoked },
): CertificateReason | undefined {
  return certificate === null ? undefined : reasonOfTime(certificate, checks);
}

function joiner({ network, node, kind }: Claim, alias: string | null): Member {
  return { network, node, kind, alias, grants: [], certificate: null };
}

function verifyMember(
  { network, node, kind }: Claim,
  { certificate: bytes, alias }: Shown,
  checks: { readonly isRevoked: IsRevoked; readonly nowMs: number },
): Result<Member, ClaimReason> {
  if (bytes === null) return fail("no-certificate");
  const verified = verifyCertificate(bytes, { ...checks, network, subject: node });
  if (!verified.ok) return verified;
  const { grants } = verified.value;
  if (kind === "invite" && !grants.includes("admit")) return fail("no-admitter");
  return ok({ network, node, kind, alias, grants, certificate: verified.value });
}
