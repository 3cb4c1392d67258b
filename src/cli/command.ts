/**
 * The shape of the command table: a command names its words, flags, examples and exit statuses as
 * data, and `run` does it. The grammar, the help and the tests all read the same table.
 *
 * @module
 */
import type { Invocation } from "./invocation.ts";
import type { Parse, Parsed } from "./values.ts";

/** One flag: how it is written, and how its text becomes a value. */
export interface Flag<T> {
  /** What stands after it, `SIZE`; `null` for a switch. */
  readonly value: string | null;
  readonly about: string;
  /** The value where the flag is not given. */
  readonly initial: T;
  /** `initial` as people would write it; `null` where there is nothing to say. */
  readonly shown: string | null;
  /** Other names, without dashes. */
  readonly also: readonly string[];
  /** Not in the help: for this program's own use. */
  readonly hidden: boolean;
  readonly repeats: boolean;
  /** The value after one more occurrence with `text` (`""` for a switch). */
  take(previous: T, text: string): Parsed<T>;
}

/** The flags of a command by camel-case name: `maxVms` is written `--max-vms`. */
export type Flags = Readonly<Record<string, Flag<unknown>>>;

/** The values of flags. */
export type FlagValues<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

/** A switch: false unless given. */
export function toggle(about: string): Flag<boolean> {
  const take = () => ({ ok: true, value: true } as const);
  return { ...plain, value: null, about, initial: false, shown: null, take };
}

/** A flag with a default, `shown` in the help as it would be written. */
export function option<T>(
  value: string,
  about: string,
  { parse, initial, shown }: { parse: Parse<T>; initial: T; shown: string },
): Flag<T> {
  return { ...plain, value, about, initial, shown, take: (_, text) => parse(text) };
}

/** A flag without a default: `null` unless given. */
export function maybe<T>(value: string, about: string, parse: Parse<T>): Flag<T | null> {
  const take = (_: T | null, text: string) => parse(text);
  return { ...plain, value, about, initial: null, shown: null, take };
}

/** A flag that may be repeated. */
export function list<T>(value: string, about: string, parse: Parse<T>): Flag<readonly T[]> {
  const take = (previous: readonly T[], text: string): Parsed<readonly T[]> => {
    const parsed = parse(text);
    return parsed.ok ? { ok: true, value: [...previous, parsed.value] } : parsed;
  };
  return { ...plain, value, about, initial: [], shown: null, repeats: true, take };
}

/** The flag under further names. */
export function also<T>(flag: Flag<T>, ...names: string[]): Flag<T> {
  return { ...flag, also: names };
}

/** The flag, left out of the help. */
export function hidden<T>(flag: Flag<T>): Flag<T> {
  return { ...flag, hidden: true };
}

const plain = { also: [], hidden: false, repeats: false } as const;

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

/** `maxVms` as it is written: `max-vms`. */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
