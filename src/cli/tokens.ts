/**
 * The words of a command line as tokens: which are words, which are flags, and which are the values of
 * flags. node:util's `parseArgs` says so by the table of flags; two habits of its are not ours: letters
 * that share a dash (`-qv`) and values that stick to one (`-ofile`) are flags that nobody knows.
 *
 *     --state /s   ssh    --tty   web    --max=2   --   ls
 *     └─ flag ──┘  word   flag    word   flag      end
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type Flag, flagName, type Flags } from "./command.ts";

/** A flag of a table, by its key in it. */
export interface KnownFlag {
  readonly key: string;
  readonly flag: Flag<unknown>;
}

/** A piece of a command line; `index` is that of its first word. */
export type Token =
  | { readonly type: "word"; readonly index: number; readonly text: string }
  | FlagToken
  /** `--`: what follows is somebody else's, and is no token. */
  | { readonly type: "end"; readonly index: number };

/** A flag as it is written. */
export interface FlagToken {
  readonly type: "flag";
  readonly index: number;
  /** With its dashes, without a value. */
  readonly written: string;
  /** What stood after `=`. */
  readonly inline: string | undefined;
  /** The word that follows a flag which takes a value and has none after `=`. */
  readonly next: string | undefined;
}

/** The tokens of a command line, up to `--`. Flags that `flags` does not hold take no value. */
export function tokensOf(argv: readonly string[], flags: Flags): Token[] {
  const { tokens } = parseArgs({
    args: [...argv],
    options: optionsOf(flags),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const end = tokens.find(({ kind }) => kind === "option-terminator")?.index ?? Infinity;
  return tokens.filter(({ index }) => index <= end).map((token) => {
    const { index } = token;
    if (token.kind === "positional") return { type: "word", index, text: token.value };
    if (token.kind === "option-terminator") return { type: "end", index };
    const [written = "", ...values] = (argv[index] ?? "").split("=");
    const inline = values.length === 0 ? undefined : values.join("=");
    const next = token.inlineValue === false ? token.value : undefined;
    return { type: "flag", index, written, inline, next };
  });
}

function optionsOf(flags: Flags): NonNullable<Parameters<typeof parseArgs>[0]>["options"] & object {
  return Object.fromEntries(
    Object.entries(flags).flatMap(([key, flag]) => {
      const type = flag.value === null ? "boolean" as const : "string" as const;
      return namesOf(key, flag).map((name) => [
        name,
        name.length === 1 ? { type, short: name } : { type },
      ]);
    }),
  );
}

/** The flag that `--name`, or `-n` for a name of one letter, stands for. */
export function findFlag(flags: Flags, written: string): KnownFlag | undefined {
  for (const [key, flag] of Object.entries(flags)) {
    if (namesOf(key, flag).some((name) => written === dashed(name))) return { key, flag };
  }
  return undefined;
}

/** All names of a flag, without dashes. */
export function namesOf(key: string, flag: Flag<unknown>): string[] {
  return [flagName(key), ...flag.also];
}

/** A flag's name with its dashes. */
export function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}
