/**
 * The version of this program: the same as in `deno.json`, which a test holds it to.
 *
 * @module
 */

/** Semantic version. */
export const VERSION = "0.1.0";
