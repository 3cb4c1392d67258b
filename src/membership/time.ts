/**
 * Wall-clock times of signed objects: Unix seconds on the wire, Unix milliseconds in the API, and a
 * slack for clocks that are not set well.
 *
 * @module
 */

/** How far two members' clocks may be apart. Guess: beyond it a machine's own TLS breaks too. */
export const CLOCK_SLACK_MS = 600_000;

/** Unix seconds of Unix milliseconds, rounded down. */
export function toSeconds(ms: number): number {
  return Math.floor(ms / 1_000);
}

/** Whether a validity has begun and is not over, within the slack. All in Unix milliseconds. */
export function judgeValidity(
  validity: { readonly notBeforeMs: number; readonly notAfterMs: number },
  nowMs: number,
): "valid" | "not-yet-valid" | "expired" {
  if (nowMs + CLOCK_SLACK_MS < validity.notBeforeMs) return "not-yet-valid";
  return nowMs - CLOCK_SLACK_MS > validity.notAfterMs ? "expired" : "valid";
}
