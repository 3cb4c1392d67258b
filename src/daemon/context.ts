/**
 * What every use case of a running node shares: its state, keys, clocks, log and ports.
 *
 * @module
 */
import type { Random } from "../base/mod.ts";
import type { Identity, KeyPair } from "../crypto/mod.ts";
import type { Log } from "../host/log.ts";
import type { NetHost } from "../host/net/net.ts";
import type { StatePaths } from "../host/state/state.ts";
import type { Store } from "../host/store/mod.ts";
import type { Calls, Clock, Holds, Records, Sessions, Tasks, Timers, Views } from "./ports.ts";
import type { Loop } from "./run/loop.ts";

/** What rooms that have not moved to the ports yet take of the loop. */
export interface LoopOfRooms
  extends Pick<Calls, "serve" | "call">, Pick<Loop, "listen" | "input" | "connect"> {
  readonly machine: Loop["view"];
}

/** What is there before the node machine is. */
export interface Ground extends Clock, Tasks {
  readonly paths: StatePaths;
  readonly store: Store;
  readonly identity: Identity;
  /** The X25519 key of Noise; new at every start. */
  readonly staticKey: KeyPair;
  readonly timers: Timers;
  readonly net: NetHost;
  readonly log: Log;
  readonly random: Random;
}

/** The parts of a running node that its use cases share. */
export interface Context extends Ground {
  readonly loop: LoopOfRooms;
  readonly calls: Calls;
  readonly holds: Holds;
  readonly sessions: Sessions;
  readonly views: Views;
  readonly records: Records;
  /** As `holds`: for rooms that have not moved yet. */
  readonly demands: Holds;
}
