/**
 * The node as one machine, and the calls between nodes.
 *
 * @module
 */
export {
  type LingerIn,
  LingerMachine,
  type LingerOut,
  type NodeMode,
  yieldRefusal,
} from "./linger.ts";
export type { ConnectFailure } from "./connects.ts";
export type { FindIn, FindSaid, RecordView } from "./find_parts.ts";
export { NodeMachine } from "./node_machine.ts";
export * from "./protocol/mod.ts";
export type { RecordFacts } from "./record_door.ts";
export type { RelayIn, RelaySaid, RelayView } from "./relay_parts.ts";
export type * from "./types.ts";
export type { NodeView } from "./views.ts";
