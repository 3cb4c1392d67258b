/**
 * Sessions with peers, and calls over them: two machines without IO.
 *
 * @module
 */
export * from "./constants.ts";
export { isReason } from "./layout.ts";
export * from "./rpc_machine.ts";
export * from "./rpc_types.ts";
export * from "./session_machine.ts";
export * from "./types.ts";
