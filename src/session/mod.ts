/**
 * Sessions with peers, and calls over them: two machines without IO.
 *
 * @module
 */
export * from "./constants.ts";
export * from "./rpc_types.ts";
export * from "./types.ts";
