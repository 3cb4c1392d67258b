/**
 * How to run a node in this process: what `omerta mesh run`, `relay` and `provider` hand to `runNode`.
 *
 * @module
 */
import type { NodeReadyDoc } from "../api/nouns/node.ts";
import type { NodeMode } from "../node/mod.ts";
import type { Confinement } from "../market/mod.ts";

/** What a provider lends, and to whom. */
export interface ProviderOptions {
  /** VMs at once; `null`: one for each processor that is lent. */
  readonly maxVms: number | null;
  /** Virtual processors, memory and disk in all; `null`: half of what the machine has. */
  readonly cpu: number | null;
  readonly memoryBytes: number | null;
  readonly storageBytes: number | null;
  /** Longest lease, and longest life from the creation; `null`: a day each. */
  readonly maxLeaseMs: number | null;
  readonly maxLifeMs: number | null;
  /** VMs of one owner at once; `null`: half of all. */
  readonly perOwner: number | null;
  /** The least level of confinement; `null`: `namespaces`. */
  readonly acceptWeakIsolation: Confinement | null;
  /** Whole node ids; empty: every member with the grant `rent`. */
  readonly allow: readonly string[];
  /** Answers the whole protocol without QEMU. */
  readonly dryRun: boolean;
}

/** Limits of a relay; `null`: the default. */
export interface RelayOptions {
  /** Pairs of members that are joined at once. */
  readonly sessions: number | null;
  /** Bytes on the wire a second, both ways together: of all sessions, and of each. */
  readonly bytesPerS: number | null;
  readonly sessionBytesPerS: number | null;
}

/** How to run a node in this process. */
export interface RunNodeOptions {
  /** Absolute. */
  readonly state: string;
  /** `null`: the port that the state remembers, else any. */
  readonly port: number | null;
  /** `HOST` or `HOST:PORT`. */
  readonly advertise: readonly string[];
  readonly roles: { readonly relay: boolean; readonly provider: boolean };
  readonly alias: string | null;
  readonly provider: ProviderOptions | null;
  /** What a relay carries at most; what is not said is by default. */
  readonly relay?: RelayOptions;
  readonly mode: NodeMode;
  /** Background: how long after its last use the node ends. */
  readonly lingerMs: number;
  /** Redeemed before the node is ready. */
  readonly invite: string | null;
  /** Whether somebody sees the invite of a network made by this start; else none is made. */
  readonly showsInvite: boolean;
  /** Called once, when the node can serve. */
  onReady(doc: NodeReadyDoc): void;
  /** One line for the person or the log, without a line end, and how much it matters. */
  log(line: string, level: "error" | "warn" | "info" | "debug"): void;
  /** Aborted by SIGINT or SIGTERM: say farewell and end. */
  readonly signal: AbortSignal;
}
