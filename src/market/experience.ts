/**
 * What a renter has seen of a provider, and whom it trusts: facts of its own, in place of a provider's
 * words about itself.
 *
 * ```
 *   fresh ──failed──▶ shunned for 1 min · 2ⁿ, an hour at most ──time──▶ asked again in its turn
 *     ▲                  │ failed again, within a day of the last time: n + 1
 *     └──────served──────┘
 * ```
 *
 * A provider that is shunned is asked after all others, not never: it may be the only one.
 *
 * @module
 */
import { doubledMs } from "../base/mod.ts";

/** What is known of one provider; times are Unix milliseconds. */
export interface Experience {
  /** Since when a person here trusts it; `null`: nobody said so. */
  readonly trustedAtMs: number | null;
  /** When a VM of it was ready last; `null`: never. */
  readonly servedAtMs: number | null;
  /** Failures in a row. */
  readonly failures: number;
  readonly failedAtMs: number | null;
}

/** Of whom nothing is known. */
export const NO_EXPERIENCE: Experience = {
  trustedAtMs: null,
  servedAtMs: null,
  failures: 0,
  failedAtMs: null,
};

/** The first pause after a failure. Guess: a person's second try comes within seconds. */
const SHUNNED_MS = 60_000;
/** The longest pause. Guess. */
const SHUNNED_MS_MAX = 3_600_000;
/** A failure after so long without another counts as the first. Guess. */
const FORGOTTEN_MS = 86_400_000;
/** Failures that are counted: beyond, the pause is the longest anyway. */
const FAILURES_MAX = 16;

/** Whether a renter knows the provider: it was trusted by a person, or has served before. */
export function isKnown({ trustedAtMs, servedAtMs }: Experience): boolean {
  return trustedAtMs !== null || servedAtMs !== null;
}

/** Whether the provider failed so lately that others are asked first. */
export function isShunned({ failures, failedAtMs }: Experience, nowMs: number): boolean {
  if (failedAtMs === null || failures === 0) return false;
  const forMs = doubledMs(SHUNNED_MS, failures - 1, SHUNNED_MS_MAX);
  return Math.abs(nowMs - failedAtMs) < forMs; // a clock that was set back shuns nobody for ever
}

/** After the provider failed to give what it had promised. */
export function afterFailure(known: Experience, nowMs: number): Experience {
  const { failures, failedAtMs } = known;
  const isForgotten = failedAtMs === null || nowMs - failedAtMs > FORGOTTEN_MS;
  const count = isForgotten ? 1 : Math.min(FAILURES_MAX, failures + 1);
  return { ...known, failures: count, failedAtMs: nowMs };
}

/** After a VM of the provider was ready. */
export function afterService(known: Experience, nowMs: number): Experience {
  return { ...known, servedAtMs: nowMs, failures: 0 };
}
