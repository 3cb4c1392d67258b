/**
 * The one door of gossip, made of `membership`: what a record must be to come in, and how our own is made.
 *
 * @module
 */
import type { Identity, KeyPair } from "../crypto/mod.ts";
import type { SignOrder, Source, Verify } from "../gossip/mod.ts";
import { fail } from "../base/mod.ts";
import {
  grantedRoles,
  isGrant,
  type NodeFacts,
  type NodeRecord,
  RECORD_LIFE_MS,
  RECORD_LIMITS,
  signRecord,
  verifyRecord,
} from "../membership/mod.ts";
import { parseAddress } from "../wire/mod.ts";

/** What this node says of itself in one network, with roles that it was granted there. */
export type RecordFacts = Pick<NodeFacts, "alias" | "roles" | "addresses" | "capabilities">;

/** Who signs, and when. */
export interface RecordSigner {
  readonly identity: Identity;
  /** The X25519 key of Noise. */
  readonly staticKey: Pick<KeyPair, "publicKey">;
  /** Unix milliseconds. */
  wallMs(): number;
}

/** Judges a record. */
export function verifyGossip({ wallMs }: Pick<RecordSigner, "wallMs">): Verify<NodeRecord> {
  return (bytes: Uint8Array, { network, speaker }: Source) => {
    const verified = verifyRecord(bytes, { network, nowMs: wallMs() });
    if (!verified.ok || speaker === null) return verified;
    const { id, roles } = verified.value;
    if (id !== speaker.node) return fail("not-own");
    return grantedRoles(roles, speaker.grants.filter(isGrant)).length < roles.length
      ? fail("not-granted")
      : verified;
  };
}

/** Signs our record; addresses that cannot be written, or are too many, are left out. */
export function signGossip(signer: RecordSigner): (order: SignOrder<RecordFacts>) => Uint8Array {
  return ({ network, seq, facts, relays }) => {
    const nowMs = signer.wallMs();
    const addresses = facts.addresses.filter((address) => parseAddress(address).ok);
    return signRecord(signer.identity, {
      network,
      seq,
      alias: facts.alias,
      roles: facts.roles,
      staticKey: signer.staticKey.publicKey,
      addresses: addresses.slice(0, RECORD_LIMITS.addressesMax),
      relays,
      capabilities: facts.capabilities,
      publishedAtMs: nowMs,
      expiresAtMs: nowMs + RECORD_LIFE_MS,
    });
  };
}
