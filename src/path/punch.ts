/**
 * One attempt to become direct: openers with a short life leave through the own NAT, then full pings
 * follow on a schedule until a candidate answers or its budget is spent.
 *
 * Source: overlay research §3.2 (an early packet poisons a Linux NAT's mapping) and §5.6.
 *
 * @module
 */
import { after, type Instant, type Path } from "../base/mod.ts";
import type { Target } from "./candidate.ts";
import { OPENER_TTL, PUNCH_SCHEDULE_MS } from "./constants.ts";

/** A packet that the attempt wants sent: a ping. */
export interface PunchShot {
  readonly path: Path;
  /** 0 is the system's default. */
  readonly ttl: number;
  /** As in `Target`. */
  readonly windowProbesMax: number;
}

/** A running attempt. */
export class Punch {
  readonly #startAt: Instant;
  readonly #targets: { readonly target: Target; left: number }[];
  #step = 0;

  constructor(targets: readonly Target[], startAt: Instant) {
    this.#targets = targets.map((target) => ({ target, left: target.probesMax }));
    this.#startAt = startAt;
  }

  /** The openers, to be sent at once. They do not count: they are not to reach the peer. */
  openers(): PunchShot[] {
    return this.#targets.map(({ target }) => shotAt(target, OPENER_TTL));
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
      for (const entry of this.#targets) {
        if (entry.left-- > 0) shots.push(shotAt(entry.target, 0));
      }
    }
    return shots;
  }
}

function shotAt({ path, windowProbesMax }: Target, ttl: number): PunchShot {
  return { path, ttl, windowProbesMax };
}
