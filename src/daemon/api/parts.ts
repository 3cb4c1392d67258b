/**
 * What the methods of the local API share.
 *
 * @module
 */
import type { RunNodeOptions } from "../options.ts";
import type { Instant } from "../../base/mod.ts";
import type { LingerMachine } from "../../node/mod.ts";
import type { Endpoints } from "../run/endpoints.ts";
import type { NodeParts } from "../run/node.ts";
import { timestamp } from "../../host/time.ts";

/** What the table needs besides the node's parts. */
export interface TableParts {
  readonly options: RunNodeOptions;
  readonly node: NodeParts;
  readonly endpoints: Endpoints;
  readonly build: string;
  readonly alias: () => string | null;
  readonly linger: Pick<LingerMachine, "busy">;
  /** Ends the node once the answer is out. */
  end(): void;
  /** The same, once every call is answered. */
  yieldNode(): void;
  /** Tells that `open` streams hang on what `name` names: the node must not give way. */
  hold(name: string, open: number): void;
  /** Tells that a stream was promised, to be opened within `ms`: the node must not end before. */
  expect(ms: number): void;
}

/** When a deadline of the monotonic clock is, RFC 3339 UTC. */
export function leaseEnd({ context }: NodeParts, deadline: Instant): string {
  return timestamp(Math.round(context.wallMs() + (deadline - context.now())));
}

/** A method that needs no time: what it throws is its answer all the same. */
export function later<T>(run: () => T): Promise<T> {
  return new Promise((resolve) => resolve(run()));
}
