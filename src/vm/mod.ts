/**
 * The pure part of lending a VM: what a guest is told, which images are well-formed, how the helper
 * is instructed, which ssh keys, sizes and times are accepted.
 *
 * @module
 */
export * from "./cpio.ts";
export * from "./guest_kind.ts";
export * from "./guest_seed.ts";
export * from "./host_key.ts";
export * from "./launch_spec.ts";
export * from "./manifest.ts";
export * from "./public_key.ts";
