/**
 * The words of a command line as tokens: which are words, which are flags, and which are the values of
 * flags. A flag that takes a value takes the next word, whatever that is; a switch, and what nobody
 * knows, takes none.
 *
 *     --state /s   ssh    --tty   web    --max=2   --   ls
 *     └─ flag ──┘  word   flag    word   flag      end
 *
 * Written here: the tokens of node:util's `parseArgs` are the same but for letters that share a dash and
 * values that stick to one, neither of which is ours; and to load node:util costs the built program 13 ms
 * of the 43 in which `help` is done. Measured here.
 *
 * @module
 */
import { type Flag, flagName, type Flags } from "./flags.ts";

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
  const tokens: Token[] = [];
  for (let index = 0; index < argv.length; index++) {
    const text = argv[index] ?? "";
    if (text === "--") return [...tokens, { type: "end", index }];
    if (!text.startsWith("-") || text === "-") {
      tokens.push({ type: "word", index, text });
      continue;
    }
    const equals = text.indexOf("=");
    const written = equals < 0 ? text : text.slice(0, equals);
    const inline = equals < 0 ? undefined : text.slice(equals + 1);
    const flag = findFlag(flags, written)?.flag;
    const takesNext = flag !== undefined && flag.value !== null && inline === undefined;
    const next = takesNext ? argv[index + 1] : undefined;
    tokens.push({ type: "flag", index, written, inline, next });
    if (takesNext) index++;
  }
  return tokens;
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
