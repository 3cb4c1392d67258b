/**
 * The command line.
 *
 * @module
 */
export { main, type Surroundings } from "./main.ts";
export { systemNode } from "./system_node.ts";
