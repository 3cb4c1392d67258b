/**
 * Values of which nothing may be changed, however deep.
 *
 * @module
 */

/** `T` as its reader sees it: all of its fields and items read-only. Bytes stay as they are. */
export type Frozen<T> = T extends string | number | boolean | bigint | null | undefined | Uint8Array
  ? T
  : { readonly [K in keyof T]: Frozen<T[K]> };
