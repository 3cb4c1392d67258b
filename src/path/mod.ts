/**
 * Paths: observation of our own address, candidates, punching, path choice.
 *
 * @module
 */
export type { Candidate, GateReason, Judged, Namer, Source, Voucher } from "./candidate.ts";
export type { Demand } from "./demands.ts";
export { Gate, type LocalAddresses, type Opening } from "./gate.ts";
export type { PathEvent, PathEventView } from "./history.ts";
export { PING, PONG } from "./messages.ts";
export * from "./nat.ts";
export { PathMachine } from "./path_machine.ts";
export { silenceOf } from "./silence.ts";
export type * from "./types.ts";
