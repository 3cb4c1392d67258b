/**
 * The clocks of one simulated host: they run by the world's time, and wrong by as much as is said.
 *
 * @module
 */
import type { Instant } from "../base/mod.ts";

/** A Friday in 2026, Unix milliseconds at the beginning of the simulated time. */
export const EPOCH_MS = 1_795_132_800_000;

/** What is wrong with a host's clocks. */
export interface ClockFault {
  /** How many milliseconds of the monotonic clock pass in one of the world; more than 0. */
  readonly rate: number;
  /** By how much the wall clock is ahead, milliseconds. */
  readonly skewMs: number;
}

/** Clocks that are right. */
export const TRUE_CLOCK: ClockFault = { rate: 1, skewMs: 0 };

/** A step of the world's time that no rate makes vanish. */
const TICK_MS = 1 / 1_024;

/** Both clocks of a host. */
export class HostClock {
  #fault: ClockFault;

  constructor(fault: ClockFault = TRUE_CLOCK) {
    if (!(fault.rate > 0)) throw new RangeError(`Cannot run a clock: its rate is ${fault.rate}`);
    this.#fault = fault;
  }

  /** Somebody sets the wall clock. */
  skew(skewMs: number): void {
    this.#fault = { ...this.#fault, skewMs };
  }

  /** The monotonic clock at a moment of the world. */
  local(world: Instant): Instant {
    return (world * this.#fault.rate) as Instant;
  }

  /** The first moment of the world at which the monotonic clock shows at least `local`. */
  world(local: Instant): Instant {
    const { rate } = this.#fault;
    if (rate === 1) return local;
    let world = local / rate;
    while (world * rate < local) world += TICK_MS; // a rounding error below would wake too early, for ever
    return world as Instant;
  }

  /** Unix milliseconds at a moment of the world. */
  wallMs(world: Instant): number {
    return EPOCH_MS + this.local(world) + this.#fault.skewMs;
  }
}
