/**
 * The running node: what `mesh run`, `relay` and `provider` are.
 *
 * @module
 */
export { runNode } from "./run/run_node.ts";
