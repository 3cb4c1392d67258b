/**
 * WireGuard tunnels: inner addresses and what the native data path is told.
 *
 * @module
 */
export * from "./address.ts";
export * from "./plan.ts";
