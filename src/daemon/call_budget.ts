/**
 * How often a peer may ask. Its calls cost units by what answering costs: a write to the disk, a call to
 * another member, a hash over an image. Each peer has a store of them that fills again by the second, so
 * that no member of ill will keeps a node busy with questions; and all joiners together have one, for an
 * invite's holder may come by as many names as it likes, each of which is kept.
 *
 * @module
 */
import { Bucket, Buckets, type Instant, type PeerKey, type Rate } from "../base/mod.ts";
import type { CallName } from "../node/mod.ts";

/** What one peer may spend. Guess: a directory of 10 000 records is read at once, a VM asked for 120 times. */
export const PEER_RATE: Rate = { burst: 1_200, perS: 20 };
/** Joiners in all. Guess: a thousand machines join at once; by day 150 MB of names at most. */
export const JOIN_RATE: Rate = { burst: 1_000, perS: 2 };
/** Peers whose spending is remembered: as many as may have a session. */
export const SPENDERS_MAX = 16_384;

/** Units of the calls that do not cost `COST_OTHER`. */
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
  readonly #joins = new Bucket(JOIN_RATE, 0 as Instant);

  /** Whether the peer may have the call answered now; if so, it has paid. */
  take(peer: PeerKey, name: CallName, now: Instant): boolean {
    if (!this.#peers.take(peer, COSTS[name] ?? COST_OTHER, now)) return false;
    return name !== "redeem" || this.#joins.take(1, now);
  }
}
