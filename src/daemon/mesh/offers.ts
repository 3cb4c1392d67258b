/**
 * What relays tell of other members: where they see them, and that they join us with them. A relay's
 * word lets an address be probed harder, so only a relay's counts, and it does not aim us at our LAN.
 *
 * @module
 */
import { type NodeId, OmertaError, type PeerKey, peerKey, splitPeerKey } from "../../base/mod.ts";
import { asPath, scopeOfPath } from "../../wire/mod.ts";
import type { Loop } from "../run/loop.ts";
import type { Peers } from "./peers.ts";

/** What is asked of a node's parts. */
export interface OfferParts {
  readonly loop: {
    readonly machine: Pick<Loop["view"], "activePath">;
    input(input: { type: "vouch"; peer: PeerKey; address: string }): void;
  };
  readonly peers: Pick<Peers, "holds">;
}

/** Where a relay sees a peer. */
export interface Sighting {
  readonly peer: PeerKey;
  /** `IP:PORT`. */
  readonly address: string;
}

/**
 * Answers `relay.offer`.
 *
 * @throws {OmertaError} `not-allowed` where the caller is no relay, or speaks of itself.
 */
export function takeOffer(
  parts: OfferParts,
  relay: PeerKey,
  { peer, address }: { readonly peer: string; readonly address: string },
): Record<string, never> {
  const { network, node } = splitPeerKey(relay);
  if (!parts.peers.holds(relay, "relay") || peer === node) {
    throw new OmertaError("not-allowed", "Only a relay says where it sees others");
  }
  noteSighting(parts, relay, { peer: peerKey(network, peer as NodeId), address });
  return {};
}

/** Vouches for the address at which a relay sees a peer, where it can know better than we do. */
export function noteSighting({ loop }: OfferParts, relay: PeerKey, sighting: Sighting): void {
  const isPrivate = scopeOfPath(asPath(sighting.address)) !== "global";
  const relayPath = loop.machine.activePath(relay);
  // A relay on the internet sees nobody inside a private network.
  if (isPrivate && (relayPath === null || scopeOfPath(relayPath) === "global")) return;
  loop.input({ type: "vouch", ...sighting });
}
