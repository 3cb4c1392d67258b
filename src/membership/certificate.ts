/**
 * Membership certificates: a network's word that a node is a member, and what it may do.
 *
 * ```text
 *   body {n: network key, s: subject key, g: grant bits, i: issuer key,
 *         b: not before, e: not after (Unix s), q: epoch, d?: the issuer's own certificate}
 * ```
 *
 * The issuer is the network's authority, or an admitter whose own certificate (`d`) the authority
 * signed with the grant `admit`: depth 1 and no deeper. A delegate gives at most its own grants,
 * and never `admit`. Void is what was revoked by the subject's key, wherever in the chain.
 *
 * A field that this version does not know refuses the certificate: it might restrict it.
 *
 * @module
 */
import { fail, type NetworkId, type NodeId, ok, type Result } from "../base/mod.ts";
import { type Identity, networkIdOf, nodeIdOf } from "../crypto/mod.ts";
import type { CborMap } from "../wire/mod.ts";
import {
  bytesOf,
  type Fields,
  integerOf,
  keyOf,
  optional,
  readFields,
  secondsOf,
} from "./fields.ts";
import { type Grant, GRANT_BITS_MAX, grantBits, grantsOfBits, isWithinGrants } from "./grants.ts";
import { keyOfId } from "./ids.ts";
import { type Envelope, isSignedBy, openEnvelope, signMap } from "./signed.ts";
import { judgeValidity, toSeconds } from "./time.ts";

/** The longest life of a certificate: 30 days. Source: the design. */
export const CERTIFICATE_LIFE_MS = 30 * 86_400_000;

/** Bytes of a certificate at most, its delegation included: what a handshake has room for. */
export const CERTIFICATE_BYTES_MAX = 600;

/** Bytes of a certificate that the authority issued: about 215, with reserve for long numbers. */
const DELEGATION_BYTES_MAX = 256;

/** The largest epoch. */
export const EPOCH_MAX = 0xffff_ffff;

/** A verified certificate. */
export interface Certificate {
  readonly network: NetworkId;
  readonly subject: NodeId;
  readonly grants: readonly Grant[];
  /** The authority (then equal to `network`) or an admitter. */
  readonly issuer: NetworkId | NodeId;
  /** Unix milliseconds. */
  readonly notBeforeMs: number;
  /** Unix milliseconds. */
  readonly notAfterMs: number;
  /** The network's epoch when it was issued. */
  readonly epoch: number;
  /** The issuer's own certificate, where the issuer is not the authority. */
  readonly delegation: Certificate | null;
  /** As received; a copy. */
  readonly bytes: Uint8Array;
}

/** Why a certificate is refused. */
export type CertificateReason =
  | "malformed"
  | "foreign-network"
  | "other-subject"
  | "bad-signature"
  | "bad-delegation"
  | "exceeds-delegation"
  | "not-yet-valid"
  | "expired"
  | "revoked";

/** Of a certificate, what decides whether a revocation voids it. */
export type Revocable = Pick<Certificate, "subject" | "issuer" | "notBeforeMs">;

/** Says whether a certificate was revoked, itself alone: not its chain. */
export type IsRevoked = (certificate: Revocable) => boolean;

/** Against what a certificate is judged. */
export interface CertificateChecks {
  readonly network: NetworkId;
  /** Whose it must be; absent where anybody's will do. */
  readonly subject?: NodeId;
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly isRevoked: IsRevoked;
}

/** What a certificate is to say. */
export interface CertificateOrder {
  /** The authority, or an admitter with its `delegation`. */
  readonly issuer: Identity;
  readonly network: NetworkId;
  readonly subject: NodeId;
  readonly grants: readonly Grant[];
  readonly epoch: number;
  /** Unix milliseconds; the validity begins here. */
  readonly nowMs: number;
  /** Default and most: 30 days. */
  readonly lifeMs?: number;
  /** The admitter's own certificate; absent for the authority. */
  readonly delegation?: Uint8Array;
}

const FIELDS = {
  n: keyOf,
  s: keyOf,
  g: integerOf(0, GRANT_BITS_MAX),
  i: keyOf,
  b: secondsOf,
  e: secondsOf,
  q: integerOf(1, EPOCH_MAX),
  d: optional(bytesOf({ min: 1, max: DELEGATION_BYTES_MAX })),
};

/**
 * Issues a certificate.
 *
 * @throws {TypeError} When the issuer is neither the authority nor brings a delegation, when the
 *   subject or network is no id, or the life is out of range. Whether a delegation permits the
 *   grants is for `verifyCertificate`.
 */
export function issueCertificate(order: CertificateOrder): Uint8Array {
  const { issuer, network, delegation, lifeMs = CERTIFICATE_LIFE_MS } = order;
  if ((issuer.id as string === network) !== (delegation === undefined)) {
    throw new TypeError(`Cannot issue certificate: ${issuer.id} is not the authority's voice`);
  }
  if (!(lifeMs >= 1_000 && lifeMs <= CERTIFICATE_LIFE_MS)) {
    throw new TypeError(`Cannot issue certificate: life is ${lifeMs} ms`);
  }
  const begin = toSeconds(order.nowMs);
  const map: CborMap = {
    n: keyOfId(network),
    s: keyOfId(order.subject),
    g: grantBits(order.grants),
    i: issuer.publicKey,
    b: begin,
    e: begin + toSeconds(lifeMs),
    q: order.epoch,
  };
  return signMap(issuer, "certificate", delegation === undefined ? map : { ...map, d: delegation });
}

/** Judges hostile bytes as a certificate: form, network, subject, chain, time, revocations. */
export function verifyCertificate(
  bytes: Uint8Array,
  checks: CertificateChecks,
): Result<Certificate, CertificateReason> {
  const read = readCertificate(bytes, CERTIFICATE_BYTES_MAX);
  if (!read.ok) return read;
  const { certificate, envelope, issuerKey, delegation } = read.value;
  if (certificate.network !== checks.network) return fail("foreign-network");
  if (checks.subject !== undefined && certificate.subject !== checks.subject) {
    return fail("other-subject");
  }
  const chain = verifyChain(certificate, delegation, checks);
  if (!chain.ok) return chain;
  if (!isSignedBy(envelope, issuerKey, "certificate")) return fail("bad-signature");
  const verified = { ...certificate, delegation: chain.value };
  const reason = reasonOfTime(verified, checks);
  return reason === undefined ? ok(verified) : fail(reason);
}

/**
 * Judges a verified certificate and its chain again, as time goes by and revocations come in; cheap,
 * for signatures do not change. `undefined`: it holds.
 */
export function reasonOfTime(
  certificate: Certificate,
  checks: Pick<CertificateChecks, "nowMs" | "isRevoked">,
): "not-yet-valid" | "expired" | "revoked" | undefined {
  const validity = judgeValidity(certificate, checks.nowMs);
  if (validity !== "valid") return validity;
  if (checks.isRevoked(certificate)) return "revoked";
  return certificate.delegation === null ? undefined : reasonOfTime(certificate.delegation, checks);
}

/** When a certificate is to be renewed: at half of its life, Unix milliseconds. */
export function renewalDueMs(certificate: Certificate): number {
  return (certificate.notBeforeMs + certificate.notAfterMs) / 2;
}

/** For where nothing can have been revoked: a network that one is about to join. */
export const nothingRevoked: IsRevoked = (): boolean => false;

/** The verified certificate of the issuer; `null` for the authority, which needs none. */
function verifyChain(
  certificate: Certificate,
  delegation: Uint8Array | undefined,
  checks: CertificateChecks,
): Result<Certificate | null, CertificateReason> {
  const isAuthoritys = certificate.issuer === certificate.network as string;
  if (isAuthoritys) return delegation === undefined ? ok(null) : fail("malformed");
  if (delegation === undefined) return fail("bad-delegation");
  const subject = certificate.issuer as NodeId;
  const verified = verifyCertificate(delegation, { ...checks, subject });
  if (!verified.ok) return fail(verified.reason === "revoked" ? "revoked" : "bad-delegation");
  const { delegation: above, grants } = verified.value;
  if (above !== null || !grants.includes("admit")) return fail("bad-delegation");
  const canGive = grants.filter((grant) => grant !== "admit");
  return isWithinGrants(certificate.grants, canGive)
    ? ok(verified.value)
    : fail("exceeds-delegation");
}

interface Unverified {
  readonly certificate: Certificate;
  readonly envelope: Envelope;
  readonly issuerKey: Uint8Array;
  readonly delegation: Uint8Array | undefined;
}

function readCertificate(bytes: Uint8Array, bytesMax: number): Result<Unverified, "malformed"> {
  const envelope = openEnvelope(bytes, bytesMax);
  if (!envelope.ok) return envelope;
  const fields = readFields(envelope.value.map, FIELDS, "refuse");
  if (!fields.ok) return fail("malformed");
  const { b, e, i: issuerKey, d: delegation } = fields.value;
  const lifeMs = (e - b) * 1_000;
  if (lifeMs <= 0 || lifeMs > CERTIFICATE_LIFE_MS) return fail("malformed");
  const certificate = toCertificate(fields.value, bytes);
  return ok({ certificate, envelope: envelope.value, issuerKey, delegation });
}

function toCertificate(fields: Fields<typeof FIELDS>, bytes: Uint8Array): Certificate {
  return {
    network: networkIdOf(fields.n),
    subject: nodeIdOf(fields.s),
    grants: grantsOfBits(fields.g),
    issuer: nodeIdOf(fields.i),
    notBeforeMs: fields.b * 1_000,
    notAfterMs: fields.e * 1_000,
    epoch: fields.q,
    delegation: null,
    bytes: bytes.slice(),
  };
}
