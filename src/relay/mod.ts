/**
 * Relays, both ends: what a relay does for members, and how a member keeps and uses relays.
 *
 * @module
 */
export * from "./book.ts";
export type * from "./calls.ts";
export * from "./client_machine.ts";
export type * from "./client_types.ts";
export * from "./limits.ts";
export * from "./server_machine.ts";
