/**
 * Pings to addresses that have not answered, counted per address whoever named it. So no number of
 * peers, attempts or forged sources makes us send a victim more than a handful of small datagrams.
 *
 * Source: the design, "nobody can be aimed at a victim".
 *
 * @module
 */
import { after, BoundedMap, type Instant } from "../base/mod.ts";

/** An address that did not answer is left alone for so long once its pings are spent. Guess. */
export const PROBE_WINDOW_MS = 15_000;
/** An address that answered anybody is no victim for so long. Guess: four times the slowest ping. */
export const ANSWERED_MS = 60_000;
/** Addresses that are remembered; the oldest gives way. Guess: 4096 cost under 1 MiB. */
export const ADDRESSES_MAX = 4_096;

interface Spent {
  readonly pings: number;
  readonly isOpened: boolean;
  /** When the first of them was sent. */
  readonly since: Instant;
  readonly answeredAt: Instant | null;
}

/** The pings that addresses may still get. */
export class ProbeBudget {
  readonly #spent = new BoundedMap<string, Spent>(ADDRESSES_MAX, "evict-oldest");

  /** Whether a path's address may get another ping where `max` within the window are allowed. */
  allows(path: string, max: number, now: Instant): boolean {
    const { pings, answeredAt } = this.#current(addressOf(path), now);
    return answeredAt !== null || pings < max;
  }

  /** Notes a ping that was sent. */
  spend(path: string, now: Instant): void {
    const address = addressOf(path);
    const current = this.#current(address, now);
    this.#spent.set(address, { ...current, pings: current.pings + 1 });
  }

  /** Whether an opener may go there: once in a window, for the NAT's mapping lives longer. */
  open(path: string, now: Instant): boolean {
    const address = addressOf(path);
    const current = this.#current(address, now);
    this.#spent.set(address, { ...current, isOpened: true });
    return !current.isOpened;
  }

  /** Notes that somebody answers there. */
  answered(path: string, now: Instant): void {
    this.#spent.set(addressOf(path), { ...unspent(now), answeredAt: now });
  }

  #current(address: string, now: Instant): Spent {
    const spent = this.#spent.get(address) ?? unspent(now);
    const { answeredAt, since } = spent;
    if (answeredAt !== null && now < after(answeredAt, ANSWERED_MS)) return spent;
    return now < after(since, PROBE_WINDOW_MS) ? { ...spent, answeredAt: null } : unspent(now);
  }
}

function unspent(now: Instant): Spent {
  return { pings: 0, isOpened: false, since: now, answeredAt: null };
}

/** The next hop of a path: a relay's sessions share its address. */
function addressOf(path: string): string {
  return path.split("#", 1)[0] ?? path;
}
