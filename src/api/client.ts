/**
 * The local API as the command line sees it: calls with the types of each method. Light: it loads no
 * package, and what starts a node only when one may have to be started.
 *
 * @module
 */
import type { EnsureNodeOptions } from "../host/process/background.ts";
import { callMethod, type CallOptions } from "../host/process/node_client.ts";
import type { ApiMethods, MethodName } from "./nouns/mod.ts";

/** How to call a method that emits items of type `Item`. */
export interface NodeCallOptions<Item> extends Omit<CallOptions, "onItem"> {
  readonly onItem?: (item: Item) => void;
}

/**
 * Calls a method of the node that listens on the unix socket `socketPath`; resolves with its result.
 *
 * @throws {OmertaError} what the node answered; `no-node` where none listens, or where it ended
 * before it answered: the field `began` tells whether the call may have had effects; `timeout`.
 * @example
 * ```ts
 * const { networks } = await callNode("/run/omerta/node.sock", "network.list", {});
 * ```
 */
export async function callNode<M extends MethodName>(
  socketPath: string,
  method: M,
  input: ApiMethods[M]["input"],
  options: NodeCallOptions<ApiMethods[M]["item"]> = {},
): Promise<ApiMethods[M]["result"]> {
  // The node validates and the build is the same or newer: its answer has the shape it promises.
  return await callMethod(
    socketPath,
    method,
    input,
    options as CallOptions,
  ) as ApiMethods[M]["result"];
}

/**
 * The same of the node of the state directory `state`, which is started in the background where none
 * runs.
 *
 * @throws {OmertaError} as `callNode`, and what kept the node from starting.
 * @example
 * ```ts
 * await callStartedNode("/home/ann/.local/share/omerta", "node.stop", {}, { build, env });
 * ```
 */
export async function callStartedNode<M extends MethodName>(
  state: string,
  method: M,
  input: ApiMethods[M]["input"],
  options: EnsureNodeOptions & NodeCallOptions<ApiMethods[M]["item"]>,
): Promise<ApiMethods[M]["result"]> {
  const { callEnsured } = await import("../host/process/background.ts");
  return await callEnsured(
    state,
    method,
    input,
    options as EnsureNodeOptions & CallOptions,
  ) as ApiMethods[M]["result"];
}
