/**
 * Results of parsing hostile bytes: wrong input is ordinary, so it is a value with a reason from a
 * closed set, never an exception.
 *
 * @example
 * ```ts
 * function parsePort(text: string): Result<number, "bad-port"> {
 *   const port = Number(text);
 *   return port >= 1 && port <= 65_535 ? ok(port) : fail("bad-port");
 * }
 * ```
 *
 * @module
 */

/** Either a value or the reason why there is none. */
export type Result<T, Reason extends string = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: Reason };

/** A successful result. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** A failed result with its reason. */
export function fail<R extends string>(reason: R): { readonly ok: false; readonly reason: R } {
  return { ok: false, reason };
}
