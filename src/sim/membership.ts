/**
 * The network of which simulated nodes are members: a real authority with real certificates.
 *
 * @module
 */
import { type PeerKey, peerKey } from "../base/mod.ts";
import { type Identity, identityFromSeed } from "../crypto/mod.ts";
import {
  type AuthorityNetwork,
  createNetwork,
  epochSecrets,
  type Grant,
  issueCertificate,
  type Member,
  peerVerifier,
  RevocationBook,
} from "../membership/mod.ts";
import type { SessionKey, VerifyPeer } from "../session/mod.ts";
import { randomOf } from "./chance.ts";
import { EPOCH_MS } from "./clock.ts";

/** A network and the authority's key. */
export class Membership {
  readonly network: AuthorityNetwork;
  readonly authority: Identity;
  readonly revocations: RevocationBook;
  /** The key of its first epoch. */
  readonly key: SessionKey;

  constructor(seed: number) {
    this.network = createNetwork({ name: "home", random: randomOf(seed, "network") });
    this.authority = identityFromSeed(this.network.authoritySeed);
    this.revocations = new RevocationBook(this.network.network);
    const { network, epochs: [epoch] } = this.network;
    if (epoch === undefined) throw new RangeError("Cannot open a network: it has no epoch");
    this.key = { ...epochSecrets(network, epoch), network, kind: "epoch" };
  }

  /** The key by which a member is known. */
  peer(identity: Identity): PeerKey {
    return peerKey(this.network.network, identity.id);
  }

  /** A certificate, issued `issuedMs` after the beginning of the simulated time. */
  issue(identity: Identity, grants: readonly Grant[], issuedMs = 0): Uint8Array {
    return issueCertificate({
      issuer: this.authority,
      network: this.network.network,
      subject: identity.id,
      grants,
      epoch: 1,
      nowMs: EPOCH_MS + issuedMs,
    });
  }

  /** The judge of peers of a node whose wall clock is `nowMs`. */
  verifier(nowMs: () => number): VerifyPeer<Member> {
    const { network } = this.network;
    return peerVerifier({
      revocationsOf: (of) => of === network ? this.revocations.isRevoked : undefined,
      nowMs,
    });
  }
}
