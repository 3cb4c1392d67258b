/**
 * The pure part of lending a VM: what a guest is told, which images are well-formed, how the helper is
 * instructed, which ssh keys and sizes are accepted.
 *
 * @module
 */
export * from "./cpio.ts";
export * from "./guest_seed.ts";
export * from "./host_key.ts";
