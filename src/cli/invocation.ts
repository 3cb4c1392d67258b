/**
 * One run of one command: what was written, and everything it may use.
 *
 * @module
 */
import type { ApiMethods, MethodName } from "../api/nouns/mod.ts";
import type { Terminal } from "../host/terminal.ts";
import type { Globals } from "./globals.ts";
import type { NodeAccess } from "./node_access.ts";
import type { Output } from "./output.ts";
import { must, reference } from "./values.ts";

/** The help as texts, line by line: of everything, of one topic, of the error codes. */
export interface HelpBook {
  overview(): string[];
  /** @throws {OmertaError} `usage` where there is no such topic. */
  topicHelp(topic: string, second: string | undefined): Promise<string[]>;
  errorsHelp(): string[];
}

/** What a command gets. */
export interface Invocation<V> {
  /** `consumer.request`: names its schema. */
  readonly name: string;
  readonly words: readonly string[];
  /** What stood after `--`; `null` where there was none. */
  readonly rest: readonly string[] | null;
  readonly flags: V;
  readonly globals: Globals;
  readonly terminal: Terminal;
  readonly out: Output;
  /** The node of the state that the command means. */
  readonly node: NodeAccess;
  /** The invite of `--join` or `OMERTA_INVITE`, read from stdin where it was `-`; else `null`. */
  readonly invite: string | null;
  /** The help of all commands, loaded when it is asked for. */
  readonly help: () => Promise<HelpBook>;
  /** Aborted by the end of `--timeout` and by end signals. */
  readonly signal: AbortSignal;
  /** Calls the node as the command's entry in the table says: started, or running already. */
  call<M extends MethodName>(
    method: M,
    input: ApiMethods[M]["input"],
    onItem?: (item: ApiMethods[M]["item"]) => void,
  ): Promise<ApiMethods[M]["result"]>;
}

/** The network that a word names, else `--network`. @throws {OmertaError} `usage`. */
export function networkOf(
  { words: [word], globals }: Pick<Invocation<unknown>, "words" | "globals">,
): string | null {
  return word === undefined ? globals.network : must("N", reference(word));
}
