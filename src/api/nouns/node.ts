/**
 * `node.*`: who runs on this state, and its end.
 *
 * ```text
 * node.info {} → {"pid":4711,"build":"0.1.0+5f2c…","mode":"background","roles":[]}
 * ```
 *
 * @module
 */
import * as v from "valibot";
import type { Role } from "../../membership/mod.ts";
import type { NodeMode } from "../../node/mod.ts";
import type { Input, Method, Nothing } from "./common.ts";
import type { NetworkDoc } from "./network.ts";
import type { ProviderVmDoc } from "./provider.ts";

export type { NodeMode };

/** Input of `node.yield`. */
export const NODE_YIELD = v.strictObject({
  /** Who wants its place: a node that a person starts, or a command of another build. */
  by: v.picklist(["foreground", "build"]),
  /** The build of whoever asks. */
  build: v.pipe(v.string(), v.maxLength(256)),
});

/** Input of `node.yield`. */
export type NodeYieldInput = Input<typeof NODE_YIELD>;

/** Who runs. */
export interface NodeInfoResult {
  readonly pid: number;
  /** Identifies the code that runs: a command of another build takes over from a lingering node. */
  readonly build: string;
  readonly mode: NodeMode;
  readonly roles: readonly Role[];
}

/** Result of `node.yield`. */
export interface NodeYieldResult {
  readonly yielding: true;
}

/** Result of `node.stop`. */
export interface NodeStopResult {
  readonly pid: number;
  /** VMs that this node provides and that live on, each until its lease ends. */
  readonly vms: readonly Pick<ProviderVmDoc, "id" | "owner" | "lease_expires_at">[];
}

/** The one line of a foreground node that can serve. */
export interface NodeReadyDoc {
  readonly node: { readonly id: string; readonly alias: string | null };
  /** The UDP port. */
  readonly port: number;
  readonly roles: readonly Role[];
  readonly networks: readonly NetworkDoc[];
  /** Whether this start made a network, having found none and no invite. */
  readonly network_created: boolean;
  /** The invite of a network made by this start: a secret. */
  readonly invite: string | null;
}

/** The methods of the noun. `info` and `yield` are no use of the node that would keep it. */
export interface NodeMethods {
  /** Who runs. */
  "node.info": Method<Nothing, NodeInfoResult>;
  /** A background node gives way once its calls are answered. Errors: `node-running`, `node-busy`. */
  "node.yield": Method<NodeYieldInput, NodeYieldResult>;
  /** The node ends; what it lends lives on. */
  "node.stop": Method<Nothing, NodeStopResult>;
}
