/**
 * The classes of keep-alive: how much a peer's paths matter now, and how often each is pinged for that.
 *
 * | class  | is for                                  | the active path | the others |
 * | ------ | --------------------------------------- | --------------- | ---------- |
 * | `hold` | a session that only keeps NATs' mappings | 15 s            | 15 s       |
 * | `warm` | a relay with which we are registered     | 5 s             | 15 s       |
 * | `busy` | a tunnel                                 | 1 s             | 5 s        |
 *
 * Who claims which class, and for what, is the node's to know.
 *
 * @module
 */
import { PING_BUSY_MS, PING_HOLD_MS, PING_WARM_MS } from "./constants.ts";

/** A class of keep-alive. */
export type Demand = "hold" | "warm" | "busy";

const ACTIVE_MS: Readonly<Record<Demand, number>> = {
  hold: PING_HOLD_MS,
  warm: PING_WARM_MS,
  busy: PING_BUSY_MS,
};
const OTHER_MS: Readonly<Record<Demand, number>> = {
  hold: PING_HOLD_MS,
  warm: PING_HOLD_MS,
  busy: PING_WARM_MS,
};

/** Milliseconds between pings of a proven path. */
export function pingIntervalMs(demand: Demand, isActive: boolean): number {
  return (isActive ? ACTIVE_MS : OTHER_MS)[demand];
}
