/**
 * What a running node shares, from which each use case gets the ports that it takes: its state, keys,
 * clocks, log and ports. No room sees it whole.
 *
 * @module
 */
import type { Random } from "../../base/mod.ts";
import type { Identity, KeyPair } from "../../crypto/mod.ts";
import type { Log } from "../../host/log.ts";
import type { NetHost } from "../../host/net/net.ts";
import type { Member } from "../../membership/mod.ts";
import type { NodeView } from "../../node/mod.ts";
import type { StatePaths } from "../../host/state/state.ts";
import type { Store } from "../../host/store/mod.ts";
import type { Calls, Clock, Holds, Records, Sessions, Tasks, Timers, Views } from "../ports.ts";

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
  readonly calls: Calls;
  readonly holds: Holds;
  readonly sessions: Sessions;
  readonly views: Views;
  readonly records: Records;
  /** All that the node machine knows of peers and of itself: for documents. */
  readonly view: NodeView<Member>;
}
