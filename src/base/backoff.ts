/**
 * Waits between attempts: each longer than the one before. {@linkcode Backoff} adds jitter, so that many
 * who failed together do not come back together; what two ends agree upon, or one repeats to one, has none.
 *
 * @example
 * ```ts
 * const backoff = new Backoff({ stepsMs: [100, 500, 2_000] }, random);
 * backoff.next(); // 75 to 125
 * backoff.next(); // 375 to 625
 * stepMs([100, 500, 2_000], 7); // 2000
 * doubledMs(250, 3); // 2000
 * ```
 *
 * @module
 */
import { type Random, randomUint32 } from "./random.ts";

/** How waits grow. */
export interface BackoffPlan {
  /** The waits in milliseconds, in order; the last one goes on. At least one. */
  readonly stepsMs: readonly number[];
  /** Share of a wait by which it may be longer or shorter, 0 to 1. Default: 0.25, a guess. */
  readonly jitter?: number;
}

/** The wait after so many attempts, without jitter: one of the steps, of which the last goes on. */
export function stepMs(stepsMs: readonly number[], attempts: number): number {
  return stepsMs[Math.min(attempts, stepsMs.length - 1)] ?? 0;
}

/** `firstMs` doubled so many times, at most `mostMs`: how long an answer is waited for that did not come. */
export function doubledMs(firstMs: number, times: number, mostMs = Infinity): number {
  return Math.min(mostMs, firstMs * 2 ** times);
}

/** The waits of one thing that is tried again and again. */
export class Backoff {
  readonly #plan: BackoffPlan;
  readonly #random: Random;
  #attempts = 0;

  constructor(plan: BackoffPlan, random: Random) {
    if (plan.stepsMs.length === 0) {
      throw new RangeError("Cannot back off by no steps: current value is []");
    }
    this.#plan = plan;
    this.#random = random;
  }

  /** How often `next` was asked since the last success. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Milliseconds until the next attempt. */
  next(): number {
    const { stepsMs, jitter = 0.25 } = this.#plan;
    const waitMs = stepMs(stepsMs, this.#attempts++);
    const spread = randomUint32(this.#random) / 2 ** 31 - 1; // -1 to 1
    return Math.max(0, Math.round(waitMs * (1 + jitter * spread)));
  }

  /** It succeeded, or everything is different now. */
  reset(): void {
    this.#attempts = 0;
  }
}
