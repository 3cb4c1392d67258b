/**
 * When a request that was refused for now asks again: no sooner than the provider said, later each
 * time, and jittered, so that many who wait do not come at once.
 *
 * @module
 */
import { doubledMs, type Instant, type Random, randomUint32 } from "../base/mod.ts";

/** How long a request waits for room unless it is told otherwise. Source: the contract. */
export const QUEUE_MS = 30_000;

/** First and longest pause of our own. Guess: a VM that starts is ready after seconds. */
const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 4_000;

/** One wait of a queued request. */
export interface Queued {
  /** Waits before this one. */
  readonly waits: number;
  /** No sooner than this after now, as the provider said. */
  readonly retryMs: number;
  readonly now: Instant;
  readonly deadline: Instant;
}

/** How long to wait until the next try; `undefined`: it would come after the deadline. */
export function queuePauseMs(
  { waits, retryMs, now, deadline }: Queued,
  random: Random,
): number | undefined {
  const leftMs = deadline - now;
  if (leftMs <= 0 || retryMs > leftMs) return undefined;
  const pauseMs = Math.max(retryMs, doubledMs(PAUSE_MS_MIN, waits, PAUSE_MS_MAX));
  const jitter = 1 + randomUint32(random) / 2 ** 32 / 2; // by up to a half
  return Math.min(leftMs, Math.ceil(pauseMs * jitter));
}
