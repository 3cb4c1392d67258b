/**
 * One attempt to become direct: openers with a short life leave through the own NAT, then full pings
 * follow on a schedule until a candidate answers or its budget is spent.
 *
 * Source: overlay research §3.2 (an early packet poisons a Linux NAT's mapping) and §5.6.
 *
 * @module
 */
import { after, type Instant } from "../base/mod.ts";
import type { Target } from "./candidates.ts";
import { OPENER_TTL, PUNCH_SCHEDULE_MS } from "./constants.ts";

/** A packet that the attempt wants sent: a ping to `address`. */
export interface PunchShot {
  readonly address: string;
  /** 0 is the system's default. */
  readonly ttl: number;
}

/** A running attempt. */
export class Punch {
  readonly #startAt: Instant;
  readonly #targets: { address: string; left: number }[];
  #step = 0;

  constructor(targets: readonly Target[], startAt: Instant) {
    this.#targets = targets.map(({ address, probesMax }) => ({ address, left: probesMax }));
    this.#startAt = startAt;
  }

  /** The openers, to be sent at once. They do not count: they never reach the peer. */
  openers(): PunchShot[] {
    return this.#targets.map(({ address }) => ({ address, ttl: OPENER_TTL }));
  }

  /** When the next full pings are due; `undefined` when the attempt is over. */
  dueAt(): Instant | undefined {
    const offset = PUNCH_SCHEDULE_MS[this.#step];
    return offset === undefined ? undefined : after(this.#startAt, offset);
  }

  /** The full pings that are due at `now`. */
  due(now: Instant): PunchShot[] {
    const shots: PunchShot[] = [];
    for (let at = this.dueAt(); at !== undefined && at <= now; at = this.dueAt()) {
      this.#step++;
      for (const target of this.#targets) {
        if (target.left-- > 0) shots.push({ address: target.address, ttl: 0 });
      }
    }
    return shots;
  }
}
