/**
 * How a command reaches a node: by the local API of its state, by being the node itself, or through
 * the native splice of a stream. An interface, so that commands are tested without a node.
 *
 * @module
 */
import type { ApiMethods, MethodName } from "../api/nouns/mod.ts";
import type { RunNodeOptions } from "../daemon/options.ts";

/** What comes on the way to a method's result. */
export interface CallHooks<Item = unknown> {
  readonly signal: AbortSignal;
  readonly onProgress?: (text: string) => void;
  readonly onItem?: (item: Item) => void;
}

/** A ticket for one stream: connect to `socket`, hand over `ticket`. */
export interface Splice {
  readonly socket: string;
  readonly ticket: string;
}

/** The node of one state directory, as commands see it. */
export interface NodeAccess {
  /** The state directory, absolute. */
  readonly state: string;
  /**
   * Whether there is a state: one that a node has begun to fill.
   *
   * @throws {OmertaError} `key-mode`, `state-damaged`, `usage` for what cannot be one.
   */
  exists(): Promise<boolean>;
  /** What identifies the code of this command. */
  build(): Promise<string>;
  /**
   * Calls a method of the node.
   *
   * @param start Whether a node may be started in the background where none runs.
   * @throws {OmertaError} what the node answered; `no-node`.
   */
  call<M extends MethodName>(
    method: M,
    input: ApiMethods[M]["input"],
    options: CallHooks<ApiMethods[M]["item"]> & { readonly start: boolean },
  ): Promise<ApiMethods[M]["result"]>;
  /** Runs a node in this process until it ends. */
  run(options: RunNodeOptions): Promise<void>;
  /** Copies stdin and stdout to a stream of the node, until both ends are done. */
  splice(stream: Splice): Promise<void>;
  /** Resolves once no node holds the state any more; false where one still does after `ms`. */
  gone(ms: number): Promise<boolean>;
}
