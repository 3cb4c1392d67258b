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
export { NodeMachine } from "./node_machine.ts";
export * from "./protocol/mod.ts";
export type * from "./types.ts";
export type { NodeView } from "./views.ts";
