/**
 * How often a peer may ask. Its calls cost units by what answering costs: a write to the disk, a call to
 * another member, a hash over an image. Each peer has a store of them that fills again by the second, so
 * that no member of ill will keeps a node busy with questions.
 *
 * What keeps paths alive has a store of its own, so that neither takes from the other.
 *
 * @module
 */
import { Buckets, type Instant, type PeerKey, type Rate } from "../base/mod.ts";
import type { CallName } from "./protocol/mod.ts";

/** What one peer may spend. Guess: a directory of 10 000 records is read at once, a VM asked for 120 times. */
export const PEER_RATE: Rate = { burst: 1_200, perS: 20 };
/** What it may spend on paths. Guess: 100 pings a second. */
export const PATH_RATE: Rate = { burst: 400, perS: 100 };
/** Peers whose spending is remembered: as many as may have a session. */
const SPENDERS_MAX = 16_384;

/** Units of the calls about paths. */
const PATH_COSTS: Partial<Record<CallName, number>> = { "ping": 1, "path.candidates": 20 };
/** Units of the others that do not cost `COST_OTHER`. */
const COSTS: Partial<Record<CallName, number>> = {
  "record.list": 1,
  "relay.offer": 1,
  "vm.event": 1,
  "relay.allocate": 5,
  "vm.reserve": 10,
  "redeem": 10,
  "renew": 20,
};
const COST_OTHER = 2;

/** What peers have left to spend. */
export class CallBudget {
  readonly #peers = new Buckets<PeerKey>(PEER_RATE, SPENDERS_MAX);
  readonly #paths = new Buckets<PeerKey>(PATH_RATE, SPENDERS_MAX);

  /** Whether the peer may have the call answered now; if so, it has paid. */
  take(peer: PeerKey, name: CallName, now: Instant): boolean {
    const ofPaths = PATH_COSTS[name];
    if (ofPaths !== undefined) return this.#paths.take(peer, ofPaths, now);
    return this.#peers.take(peer, COSTS[name] ?? COST_OTHER, now);
  }
}
