/**
 * What times a VM may have; its sizes are in `base/vm_size.ts`. What the provider itself lends is for the
 * market to decide.
 *
 * @module
 */

/** Source: the command line's contract. */
export const LEASE_MS_MIN = 30_000;
/** A year: a guess, so that sums of times stay far from any limit. */
export const LIFE_MS_MAX = 365 * 86_400_000;
