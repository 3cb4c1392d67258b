/**
 * Gossip: what members say of themselves, and how the others hear of it.
 *
 * @module
 */
export { GossipMachine, type GossipOptions } from "./gossip_machine.ts";
export { RECORDS_PER_PAGE } from "./limits.ts";
export type * from "./types.ts";
