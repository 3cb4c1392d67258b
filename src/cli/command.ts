/**
 * The shape of the command table: a command names its words, flags, examples and exit statuses as
 * data, and `run` does it. The grammar, the help and the tests all read the same table.
 *
 * @module
 */
import type { Invocation } from "./invocation.ts";
import type { Flags, FlagValues } from "./flags.ts";

/**
 * What a command asks of the node of its state: nothing, a running one (`no-node` otherwise), one
 * that is started in the background where none runs, or to be that node itself.
 */
export type NodeNeed = "none" | "running" | "started" | "itself";

/** Everything about a command but its flags' types. */
export interface CommandFacts {
  /** One line: a verb first, no full stop. */
  readonly purpose: string;
  /** Further paragraphs of the help. */
  readonly details?: readonly string[];
  /** The words after the verb, as `ID LOCAL:REMOTE…`; empty where there are none. */
  readonly words: string;
  /** How many words. */
  readonly wordsMin: number;
  readonly wordsMax: number;
  /** Whether words after `--` are somebody else's. */
  readonly takesRest?: boolean;
  readonly node: NodeNeed;
  /** Whether it may make the state where there is none; others then find nothing, and leave nothing. */
  readonly makesState?: boolean;
  /** Whether it redeems the invite of `--join` itself. */
  readonly ownInvite?: boolean;
  /** Whether `--join` and `OMERTA_INVITE` mean nothing to it. */
  readonly ignoresInvite?: boolean;
  /** Two or three, whole commands. */
  readonly examples: readonly string[];
  /** Exit statuses worth naming, besides 0, 1 and 2. */
  readonly exits: readonly number[];
}

/** A command, its flags' types forgotten. */
export interface Command extends CommandFacts {
  readonly flags: Flags;
  run(call: Invocation<Record<string, unknown>>): Promise<number | void>;
}

/** Makes an entry of the table; `run` gets its flags typed, and may give an exit status. */
export function command<F extends Flags>(
  entry: CommandFacts & {
    readonly flags: F;
    run(call: Invocation<FlagValues<F>>): Promise<number | void>;
  },
): Command {
  return {
    ...entry,
    // The grammar fills in exactly the values that `flags` describes.
    run: (call) => entry.run(call as Invocation<FlagValues<F>>),
  };
}

/** The verbs of a noun; the verb `""` is the noun standing alone. */
export type Verbs = Readonly<Record<string, Command>>;
