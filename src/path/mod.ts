/**
 * Paths: observation of our own address, candidates, punching, path choice.
 *
 * @module
 */
export { ProbeBudget } from "./budget.ts";
export * from "./candidates.ts";
export { choosePaths } from "./rank.ts";
export * from "./opening.ts";
export { PING, PONG } from "./messages.ts";
export * from "./nat.ts";
export { PathMachine } from "./path_machine.ts";
export type * from "./types.ts";
