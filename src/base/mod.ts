/**
 * What every part may use: ids, bytes, results, errors, randomness, bounded maps, the machine shape, units,
 * the size of a VM.
 *
 * @module
 */
export * from "./backoff.ts";
export * from "./bounded_map.ts";
export * from "./bucket.ts";
export * from "./bytes.ts";
export * from "./drops.ts";
export * from "./errors.ts";
export type * from "./frozen.ts";
export * from "./ids.ts";
export * from "./machine.ts";
export type * from "./part.ts";
export * from "./random.ts";
export * from "./result.ts";
export * from "./text.ts";
export * from "./timers.ts";
export * from "./units.ts";
export * from "./version.ts";
export * from "./vm_size.ts";
