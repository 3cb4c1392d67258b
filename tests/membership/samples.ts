/**
 * What the tests of membership share: a network, an admitter, members, a stranger.
 *
 * @module
 */
import { type NetworkId, seededRandom } from "../../src/base/mod.ts";
import {
  generateIdentity,
  generateKeyPair,
  type Identity,
  identityFromSeed,
  networkIdOf,
} from "../../src/crypto/mod.ts";
import {
  type AuthorityNetwork,
  type CertificateOrder,
  createNetwork,
  issueCertificate,
  type NodeFacts,
} from "../../src/membership/mod.ts";

/** A Sunday noon in 2026, Unix milliseconds. */
export const NOON = 1_795_348_800_000;
export const MINUTE = 60_000;
export const DAY = 86_400_000;

export const random = seededRandom(20261120);

export const home: AuthorityNetwork = createNetwork({ name: "home", random });
export const authority: Identity = identityFromSeed(home.authoritySeed);
export const network: NetworkId = networkIdOf(authority.publicKey);

export const other: AuthorityNetwork = createNetwork({ name: "other", random });
export const otherAuthority: Identity = identityFromSeed(other.authoritySeed);

export const alice: Identity = generateIdentity(random).identity;
export const bob: Identity = generateIdentity(random).identity;
export const eve: Identity = generateIdentity(random).identity;

export const staticKey: Uint8Array = generateKeyPair(random).publicKey;

/** A certificate of Alice's by the authority, changed as wanted. */
export function certificate(changes: Partial<CertificateOrder> = {}): Uint8Array {
  return issueCertificate({
    issuer: authority,
    network,
    subject: alice.id,
    grants: ["rent", "provide"],
    epoch: 1,
    nowMs: NOON,
    ...changes,
  });
}

/** What Alice says of herself. */
export const facts: NodeFacts = {
  network,
  seq: 7,
  alias: "alice",
  roles: ["provider"],
  staticKey,
  addresses: ["192.0.2.7:9000", "[2001:db8::7]:9000"],
  relays: [{ id: bob.id, addresses: ["198.51.100.1:9000"] }],
  capabilities: { cpu: 4, memoryBytes: 2 ** 33, accelerator: "kvm", accepting: true },
  publishedAtMs: NOON,
  expiresAtMs: NOON + 15 * MINUTE,
};

/** A copy of `bytes` with one bit flipped. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
