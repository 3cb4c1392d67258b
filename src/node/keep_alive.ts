/**
 * Why the paths to a peer matter: each use claims a class of keep-alive, the greatest counts, and a
 * session that comes up again finds it in force.
 *
 * @module
 */
import { BoundedMap, type PeerKey } from "../base/mod.ts";
import type { Demand } from "../path/mod.ts";

/** From least to greatest. */
const ORDER: readonly Demand[] = ["hold", "warm", "busy"];
/** Peers with a claim: as many as may have a session. One more is held as any other is. */
const PEERS_MAX = 16_384;
/** Claims on one peer: tunnels, VMs, pings. One more adds nothing to those. Guess. */
const CLAIMS_MAX = 1_024;

/** The claims on the paths to all peers. */
export class KeepAlive {
  readonly #peers = new BoundedMap<PeerKey, BoundedMap<string, Demand>>(PEERS_MAX, "refuse");

  /** `use`, such as `VM abcd…`, needs the peer's paths that much from now on. */
  use(peer: PeerKey, use: string, demand: Demand): void {
    const claims = this.#peers.get(peer) ?? new BoundedMap(CLAIMS_MAX, "refuse");
    if (claims.set(use, demand)) this.#peers.set(peer, claims);
  }

  /** `use` is over. */
  drop(peer: PeerKey, use: string): void {
    const claims = this.#peers.get(peer);
    claims?.delete(use);
    if (claims?.size === 0) this.#peers.delete(peer);
  }

  /** The greatest claim on the peer's paths. */
  of(peer: PeerKey): Demand {
    const claimed = [...this.#peers.get(peer)?.values() ?? []];
    return ORDER.findLast((demand) => claimed.includes(demand)) ?? "hold";
  }
}
