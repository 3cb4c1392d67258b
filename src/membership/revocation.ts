/**
 * Revocations: a member's key loses its certificates. By key, never by the hash of bytes, so that no
 * second form of a certificate slips through.
 *
 * ```text
 *   body {n: network key, s: subject key, t: at (Unix s), i: revoker key, d?: the revoker's own certificate}
 * ```
 *
 * The authority's revocation voids every certificate of the subject that others issued, and those
 * that itself issued up to then: only the authority lifts it, by signing again. An admitter's voids
 * what that admitter issued up to then. Revoking an admitter voids what hangs from its certificate.
 *
 * @module
 */
import { fail, type NetworkId, type NodeId, ok, type Result } from "../base/mod.ts";
import { type Identity, networkIdOf, nodeIdOf } from "../crypto/mod.ts";
import type { CborMap } from "../wire/mod.ts";
import {
  CERTIFICATE_BYTES_MAX,
  type IsRevoked,
  type Revocable,
  verifyCertificate,
} from "./certificate.ts";
import { bytesOf, type Fields, keyOf, optional, readFields, secondsOf } from "./fields.ts";
import { keyOfId } from "./ids.ts";
import { isSignedBy, openEnvelope, signMap } from "./signed.ts";
import { CLOCK_SLACK_MS, toSeconds } from "./time.ts";

/** A verified revocation. */
export interface Revocation {
  readonly network: NetworkId;
  readonly subject: NodeId;
  /** The authority (then equal to `network`) or an admitter. */
  readonly by: NetworkId | NodeId;
  /** Unix milliseconds. */
  readonly atMs: number;
  /** As received; a copy. */
  readonly bytes: Uint8Array;
}

/** Why a revocation is refused. */
export type RevocationReason =
  | "malformed"
  | "foreign-network"
  | "bad-signature"
  | "bad-delegation"
  | "not-yet-valid";

/** Bytes of a revocation at most: a certificate of the revoker and about 180. */
export const REVOCATION_BYTES_MAX = CERTIFICATE_BYTES_MAX + 200;

/** Subjects in a book. Guess: 2 MiB of bytes. */
export const REVOCATIONS_MAX = 10_000;

const FIELDS = {
  n: keyOf,
  s: keyOf,
  t: secondsOf,
  i: keyOf,
  d: optional(bytesOf({ min: 1, max: CERTIFICATE_BYTES_MAX })),
};

/**
 * Signs a revocation. The authority needs no `delegation`, an admitter brings its certificate.
 *
 * Nothing calls it yet but tests: no command revokes a member. What verifies, keeps and obeys such a word is
 * in every node already, so that the first that is spread is heard by all.
 *
 * @throws {TypeError} When the subject is no id.
 */
export function signRevocation(order: {
  readonly by: Identity;
  readonly network: NetworkId;
  readonly subject: NodeId;
  readonly nowMs: number;
  readonly delegation?: Uint8Array;
}): Uint8Array {
  const { by, delegation } = order;
  const map: CborMap = {
    n: keyOfId(order.network),
    s: keyOfId(order.subject),
    t: toSeconds(order.nowMs),
    i: by.publicKey,
  };
  return signMap(by, "revocation", delegation === undefined ? map : { ...map, d: delegation });
}

/** Judges hostile bytes as a revocation in `network`. */
export function verifyRevocation(
  bytes: Uint8Array,
  checks: {
    readonly network: NetworkId;
    readonly nowMs: number;
    readonly isRevoked: IsRevoked;
  },
): Result<Revocation, RevocationReason> {
  const envelope = openEnvelope(bytes, REVOCATION_BYTES_MAX);
  if (!envelope.ok) return envelope;
  const fields = readFields(envelope.value.map, FIELDS, "refuse");
  if (!fields.ok) return fail("malformed");
  const revocation = toRevocation(fields.value, bytes);
  if (revocation.network !== checks.network) return fail("foreign-network");
  if (!mayRevoke(revocation, fields.value.d, checks)) return fail("bad-delegation");
  if (!isSignedBy(envelope.value, fields.value.i, "revocation")) return fail("bad-signature");
  return revocation.atMs > checks.nowMs + CLOCK_SLACK_MS ? fail("not-yet-valid") : ok(revocation);
}

/** The revocations of one network: bounded, the newest of each subject and revoker. */
export class RevocationBook {
  readonly network: NetworkId;
  readonly #bySubject = new Map<NodeId, Map<string, Revocation>>();

  constructor(network: NetworkId) {
    this.network = network;
  }

  /** Subjects that are revoked by anybody. */
  get size(): number {
    return this.#bySubject.size;
  }

  /** Whether anybody revoked `subject`, be it lifted since or not. */
  has(subject: NodeId): boolean {
    return this.#bySubject.has(subject);
  }

  /** All revocations, in no order. */
  list(): readonly Revocation[] {
    return [...this.#bySubject.values()].flatMap((byRevoker) => [...byRevoker.values()]);
  }

  /**
   * Takes a verified revocation; returns whether it says anything new. When the book is full, the
   * subject whose revocation came first is dropped: by then its certificates have most likely expired.
   *
   * @throws {TypeError} When it belongs to another network.
   */
  add(revocation: Revocation): boolean {
    if (revocation.network !== this.network) {
      throw new TypeError(`Cannot add revocation: its network is ${revocation.network}`);
    }
    const byRevoker = this.#bySubject.get(revocation.subject) ?? new Map<string, Revocation>();
    const known = byRevoker.get(revocation.by);
    if (known !== undefined && known.atMs >= revocation.atMs) return false;
    byRevoker.set(revocation.by, revocation);
    this.#bySubject.set(revocation.subject, byRevoker);
    this.#dropOldest();
    return true;
  }

  /** Whether a certificate was revoked, itself alone: not its chain. Bound, to be handed on. */
  readonly isRevoked: IsRevoked = (certificate: Revocable): boolean => {
    const byRevoker = this.#bySubject.get(certificate.subject);
    const authoritys = byRevoker?.get(this.network);
    const isAuthoritys = certificate.issuer === this.network as string;
    if (authoritys !== undefined && !isAuthoritys) return true;
    const issuers = isAuthoritys ? authoritys : byRevoker?.get(certificate.issuer);
    return issuers !== undefined && certificate.notBeforeMs <= issuers.atMs;
  };

  #dropOldest(): void {
    if (this.#bySubject.size <= REVOCATIONS_MAX) return;
    const oldest = this.#bySubject.keys().next();
    if (!oldest.done) this.#bySubject.delete(oldest.value);
  }
}

function toRevocation(fields: Fields<typeof FIELDS>, bytes: Uint8Array): Revocation {
  return {
    network: networkIdOf(fields.n),
    subject: nodeIdOf(fields.s),
    by: nodeIdOf(fields.i),
    atMs: fields.t * 1_000,
    bytes: bytes.slice(),
  };
}

/** The authority may revoke anybody, an admitter (of depth 1) whomever it admitted. */
function mayRevoke(
  { by, network }: Revocation,
  delegation: Uint8Array | undefined,
  checks: { readonly nowMs: number; readonly isRevoked: IsRevoked },
): boolean {
  if (by === network as string) return delegation === undefined;
  if (delegation === undefined) return false;
  const admitter = verifyCertificate(delegation, { ...checks, network, subject: by as NodeId });
  return admitter.ok && admitter.value.delegation === null &&
    admitter.value.grants.includes("admit");
}
