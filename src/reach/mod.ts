/**
 * Reach: how a node gets a session with a member that it wants.
 *
 * @module
 */
export { ReachMachine } from "./reach_machine.ts";
export type * from "./types.ts";
