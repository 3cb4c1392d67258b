/**
 * Points in time as text.
 *
 * @module
 */

/** RFC 3339 UTC. */
export function timestamp(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

/** RFC 3339 UTC, or `null` for what is not known. */
export function timestampOrNull(unixMs: number | null): string | null {
  return unixMs === null ? null : timestamp(unixMs);
}
