/**
 * Assertions of the end-to-end tests. They lean on nothing of the product or its packages, so that
 * they run beside a bare binary too.
 *
 * @module
 */

/** Throws an error with `message` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Throws unless both are the same as JSON. */
export function assertEquals(actual: unknown, expected: unknown, about = "value"): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${about} is ${a}, expected ${b}`);
}

/** Throws unless `text` matches; the error shows the text. */
export function assertMatch(text: string, pattern: RegExp, about = "text"): void {
  if (!pattern.test(text)) throw new Error(`${about} does not match ${pattern}: ${text}`);
}
