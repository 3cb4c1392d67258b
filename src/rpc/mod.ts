/**
 * Calls, questions with their answers, over whatever carries datagrams between two nodes.
 *
 * @module
 */
export * from "./constants.ts";
export * from "./rpc_machine.ts";
export * from "./types.ts";
