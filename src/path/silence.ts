/**
 * How long the path in use may be silent, as the data path is told: it judges without JavaScript.
 *
 * @module
 */

/**
 * Silence after which the active path is doubted, and after which it counts as dead, in waits for an
 * answer on it: 200 ms and 1.5 s on all but slow paths. Source: the design, and a guess.
 */
const DOUBT_WAITS = 0.5;
const DEAD_WAITS = 3.75;

/** Milliseconds of silence that are a doubt, and a death, where an answer may take `patienceMs`. */
export function silenceOf(
  patienceMs: number,
): { readonly doubtMs: number; readonly deadMs: number } {
  return { doubtMs: DOUBT_WAITS * patienceMs, deadMs: DEAD_WAITS * patienceMs };
}
