/**
 * Sessions with peers: handshakes, datagrams, renewal.
 *
 * @module
 */
export * from "./constants.ts";
export { isReason } from "./layout.ts";
export * from "./session_machine.ts";
export * from "./types.ts";
