/**
 * How often a peer may ask. Its calls cost units by what answering costs: a write to the disk, a call to
 * another member, a hash over an image. Each peer has a store of them that fills again by the second, so
 * that no member of ill will keeps a node busy with questions; and all joiners together have one, for an
 * invite's holder may come by as many names as it likes, each of which is kept.
 *
 * @module
 */
import { BoundedMap, type Instant, type PeerKey } from "../base/mod.ts";
import type { CallName } from "../node/mod.ts";

/** A store of units. */
export interface Rate {
  readonly burst: number;
  readonly perS: number;
}

/** What one peer may spend. Guess: a directory of 10 000 records is read at once, a VM asked for 120 times. */
export const PEER_RATE: Rate = { burst: 1_200, perS: 20 };
/** Joiners in all. Guess: a thousand machines join at once; by day 150 MB of names at most. */
export const JOIN_RATE: Rate = { burst: 1_000, perS: 2 };
/** Peers whose spending is remembered; the longest silent gives way. Only members get that far. */
export const SPENDERS_MAX = 4_096;

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

interface Store {
  units: number;
  at: Instant;
}

/** What peers have left to spend. */
export class CallBudget {
  readonly #peers = new BoundedMap<PeerKey, Store>(SPENDERS_MAX, "evict-oldest");
  readonly #joins: Store = { units: JOIN_RATE.burst, at: 0 as Instant };

  /** Whether the peer may have the call answered now; if so, it has paid. */
  take(peer: PeerKey, name: CallName, now: Instant): boolean {
    const store = this.#peers.get(peer) ?? { units: PEER_RATE.burst, at: now };
    this.#peers.set(peer, store);
    if (!pay(store, PEER_RATE, COSTS[name] ?? COST_OTHER, now)) return false;
    return name !== "redeem" || pay(this.#joins, JOIN_RATE, 1, now);
  }
}

function pay(store: Store, { burst, perS }: Rate, cost: number, now: Instant): boolean {
  const elapsedS = Math.max(0, now - store.at) / 1_000;
  store.units = Math.min(burst, store.units + elapsedS * perS);
  store.at = now;
  if (store.units < cost) return false;
  store.units -= cost;
  return true;
}
