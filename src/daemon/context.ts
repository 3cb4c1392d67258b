/**
 * What every use case of a running node shares: its state, keys, clocks, log and loop.
 *
 * @module
 */
import type { Instant, Random } from "../base/mod.ts";
import type { Identity, KeyPair } from "../crypto/mod.ts";
import type { Log } from "../host/log.ts";
import type { NetHost } from "../host/net/net.ts";
import type { StatePaths } from "../host/state/state.ts";
import type { Store } from "../host/store/mod.ts";
import type { Holds } from "./ports.ts";
import type { Loop } from "./run/loop.ts";

/** The parts of a running node that its use cases share. */
export interface Context {
  readonly paths: StatePaths;
  readonly store: Store;
  readonly identity: Identity;
  /** The X25519 key of Noise; new at every start. */
  readonly staticKey: KeyPair;
  readonly loop: Loop;
  readonly demands: Holds;
  readonly net: NetHost;
  readonly log: Log;
  readonly random: Random;
  /** Monotonic. */
  now(): Instant;
  /** Milliseconds since 1970, UTC. */
  wallMs(): number;
  /** A task that nobody waits for: its failure is logged, unexpected ones as defects. */
  background(what: string, task: () => Promise<unknown>): void;
}
