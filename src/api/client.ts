/**
 * The local API as the command line sees it: `callNode` with the types of each method. Light: it
 * loads no package.
 *
 * @module
 */
import { callMethod, type CallOptions } from "../host/process/node_client.ts";
import type { ApiMethods, MethodName } from "./nouns/mod.ts";

export type { Progress } from "../host/process/node_client.ts";

/** How to call a method that emits items of type `Item`. */
export interface NodeCallOptions<Item> extends Omit<CallOptions, "onItem"> {
  readonly onItem?: (item: Item) => void;
}

/**
 * Calls a method of the node that listens on `socketPath`; resolves with its result.
 *
 * @throws {OmertaError} what the node answered; `no-node` where none listens, or where it ended
 * before it answered: the field `began` tells whether the call may have had effects.
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
