/**
 * From words to a command: `omerta <noun> [verb] [words] [flags]`.
 *
 *     omerta --state /s provider run --max-vms=2 -- …
 *            └ global ┘ └noun┘   └verb  └ flags    └ the rest: somebody else's
 *
 * Flags that every command has may stand anywhere; a command's own follow its verb. What is not known
 * is an error that names the nearest word. Which words are flags and which their values is said by
 * `tokens.ts`; here they are given their meaning.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";
import type { Command } from "./command.ts";
import type { Flag, Flags } from "./flags.ts";
import { GLOBAL_FLAGS, type GlobalValues, ownWords } from "./globals.ts";
import { nearest } from "./nearest.ts";
import { findNoun, firstWords, type Noun, NOUNS, SHORTCUTS } from "./nouns.ts";
import { dashed, findFlag, type FlagToken, namesOf, tokensOf } from "./tokens.ts";
import { quoted } from "./values.ts";

/** Where the words of a command lead. */
export interface Route {
  /** `consumer`, also for `vm`. */
  readonly noun: string;
  /** `""` for a noun that stands alone. */
  readonly verb: string;
  /** The words that followed, global flags before the verb included. */
  readonly words: readonly string[];
}

/** A command line, understood. */
export interface ParsedLine {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly globals: GlobalValues;
  readonly words: readonly string[];
  /** What stood after `--`; `null` where there was no `--`. */
  readonly rest: readonly string[] | null;
}

/** What a command line asks for at first sight. */
export type Sight =
  | { readonly type: "command"; readonly route: Route }
  | { readonly type: "help"; readonly noun: string | null; readonly verb: string | null };

/**
 * Sets apart the command for a VM, which begins with its first word as at ssh: `ssh web ls -h` becomes
 * `ssh web -- ls -h`. What follows is not ours, not even where it looks like a flag of ours.
 */
export function setApart(argv: readonly string[]): readonly string[] {
  const at = tokensOf(argv, GLOBAL_FLAGS)
    .flatMap(({ type, index }) => type === "word" ? [index] : []);
  const [first = "", second = ""] = at.map((place) => argv[place] ?? "");
  const shortcut = Object.hasOwn(SHORTCUTS, first) ? SHORTCUTS[first] : undefined;
  const [noun, verb] = shortcut ?? [first, second];
  const ours = findNoun(noun)?.noun.commandAfter?.[verb];
  const begin = ours === undefined ? undefined : at[ours + (shortcut === undefined ? 2 : 1)];
  return begin === undefined ? argv : argv.toSpliced(begin, 0, "--");
}

/**
 * Finds noun and verb.
 *
 * @throws {OmertaError} `usage` where a word is unknown.
 */
export function sight(argv: readonly string[]): Sight {
  const asksHelp = ownWords(argv).some((word) => word === "--help" || word === "-h");
  const first = takeWord(argv);
  if (first.word === undefined) return first.stop === undefined ? bareLine(argv) : strayFlag(first);
  const shortcut = Object.hasOwn(SHORTCUTS, first.word) ? SHORTCUTS[first.word] : undefined;
  if (shortcut !== undefined) {
    const [noun, verb] = shortcut;
    if (asksHelp) return { type: "help", noun, verb };
    return { type: "command", route: { noun, verb, words: first.others } };
  }
  return nounLine(first.word, first.others, asksHelp);
}

function bareLine(argv: readonly string[]): Sight {
  if (!argv.includes("--version")) return { type: "help", noun: null, verb: null };
  const words = argv.filter((word) => word !== "--version");
  return { type: "command", route: { noun: "version", verb: "", words } };
}

function strayFlag({ stop = "" }: Taken): never {
  throw new OmertaError("usage", `A command must come first, not ${quoted(stop)}`, {
    hint: "See 'omerta help'.",
  });
}

function nounLine(word: string, others: readonly string[], asksHelp: boolean): Sight {
  const found = findNoun(word);
  if (found === undefined) throw unknownWord(word, firstWords(), "omerta help");
  const { name, noun } = found;
  const isAlone = noun.alone === "";
  const next = isAlone ? undefined : takeWord(others);
  if (next?.word === "help") return { type: "help", noun: name, verb: null };
  const verb = next?.word ?? noun.alone;
  const known = verb !== undefined && noun.verbs.includes(verb);
  if (asksHelp) return { type: "help", noun: name, verb: known ? next?.word ?? null : null };
  if (verb === undefined) throw missingVerb(name, noun);
  if (!known) throw unknownWord(verb, noun.verbs, `omerta help ${name}`, name);
  const words = next?.word === undefined ? others : next.others;
  return { type: "command", route: { noun: name, verb, words } };
}

/** The first word that is no global flag, and what remains without it. */
interface Taken {
  readonly word?: string;
  readonly others: readonly string[];
  /** The flag, not a global one, that stood where the word should. */
  readonly stop?: string;
}

function takeWord(argv: readonly string[]): Taken {
  for (const token of tokensOf(argv, GLOBAL_FLAGS)) {
    if (token.type === "word") return { word: token.text, others: argv.toSpliced(token.index, 1) };
    if (token.type === "end") return { stop: "--", others: argv };
    const isKnown = token.written === "--version" && token.inline === undefined ||
      findFlag(GLOBAL_FLAGS, token.written) !== undefined;
    if (!isKnown) return { stop: argv[token.index] ?? "", others: argv };
  }
  return { others: argv };
}

/** The error about a word that is none of `known`. */
function unknownWord(
  word: string,
  known: readonly string[],
  help: string,
  noun?: string,
): OmertaError {
  const near = nearest(word, known);
  const what = noun === undefined ? "command" : `${noun} command`;
  const elsewhere = near === undefined ? nounOfVerb(word) : undefined;
  const meant = near === undefined
    ? elsewhere
    : noun === undefined
    ? `omerta ${near}`
    : `omerta ${noun} ${near}`;
  const hint = meant === undefined ? `See '${help}'.` : `Did you mean '${meant}'? See '${help}'.`;
  return new OmertaError("usage", `Unknown ${what} ${quoted(word)}`, { hint });
}

/** `peers` without its noun: the only noun with such a verb says what was meant. */
function nounOfVerb(word: string): string | undefined {
  const nouns = Object.entries(NOUNS).filter(([, noun]) => noun.verbs.includes(word));
  return nouns.length === 1 && nouns[0] !== undefined ? `omerta ${nouns[0][0]} ${word}` : undefined;
}

function missingVerb(name: string, noun: Noun): OmertaError {
  return new OmertaError("usage", `'omerta ${name}' needs a verb: ${noun.verbs.join(", ")}`, {
    hint: `See 'omerta help ${name}'.`,
  });
}

/**
 * Reads the words after noun and verb.
 *
 * @param title Noun and verb as a person would write them, for messages.
 * @throws {OmertaError} `usage`, or the code of the value's parser.
 */
export function parseLine(command: Command, title: string, argv: readonly string[]): ParsedLine {
  const flags = new FlagReader(command.flags, title);
  const globals = new FlagReader(GLOBAL_FLAGS, title);
  const words: string[] = [];
  let rest: readonly string[] | null = null;
  for (const token of tokensOf(argv, { ...GLOBAL_FLAGS, ...command.flags })) {
    if (token.type === "word") words.push(token.text);
    else if (token.type === "end") rest = argv.slice(token.index + 1);
    else if (!flags.take(token) && !globals.take(token)) {
      throw unknownFlag(command, title, token.written);
    }
  }
  if (command.takesRest !== true && rest !== null) words.push(...rest);
  checkWords(command, title, words);
  // The readers hold exactly the flags that they were made with.
  const values = globals.values as unknown as GlobalValues;
  return { flags: flags.values, globals: values, words, rest };
}

/** Reads the occurrences of a set of flags. */
class FlagReader {
  readonly values: Record<string, unknown> = {};
  readonly #flags: Flags;
  readonly #title: string;
  readonly #seen = new Set<string>();

  constructor(flags: Flags, title: string) {
    this.#flags = flags;
    this.#title = title;
    for (const [key, flag] of Object.entries(flags)) this.values[key] = flag.initial;
  }

  /** Takes `--name`, `--name=value` or `--name next`; says whether it is one of these flags. */
  take({ written, inline, next }: FlagToken): boolean {
    const found = findFlag(this.#flags, written);
    if (found === undefined) return false;
    const { key, flag } = found;
    this.#once(key, written, flag);
    const text = flag.value === null
      ? switchText(written, inline)
      : inline ?? following(this.#title, written, flag, next);
    this.#store(key, written, flag, text);
    return true;
  }

  #once(key: string, written: string, flag: Flag<unknown>): void {
    if (this.#seen.has(key) && !flag.repeats && flag.value !== null) {
      throw new OmertaError("usage", `Cannot use ${written} twice`);
    }
    this.#seen.add(key);
  }

  #store(key: string, written: string, flag: Flag<unknown>, text: string): void {
    const taken = flag.take(this.values[key], text);
    if (!taken.ok) {
      throw new OmertaError(taken.code, `Cannot use ${written}: ${taken.reason}`, {
        hint: `See 'omerta help ${this.#title}'.`,
      });
    }
    this.values[key] = taken.value;
  }
}

function switchText(written: string, inline: string | undefined): string {
  if (inline === undefined) return "";
  throw new OmertaError("usage", `Cannot use ${written} with a value: it takes none`);
}

function following(
  title: string,
  written: string,
  flag: Flag<unknown>,
  next: string | undefined,
): string {
  if (next !== undefined && (next === "-" || !next.startsWith("-"))) return next;
  throw new OmertaError("usage", `${written} needs a value: ${written} ${flag.value}`, {
    hint: next === undefined
      ? `See 'omerta help ${title}'.`
      : `A value that begins with a dash is written ${written}=VALUE.`,
  });
}

function unknownFlag(command: Command, title: string, written: string): OmertaError {
  const known = [command.flags, GLOBAL_FLAGS].flatMap((flags) =>
    Object.entries(flags).filter(([, flag]) => !flag.hidden)
      .flatMap(([key, flag]) => namesOf(key, flag).map(dashed))
  );
  // One letter is as near to any other.
  const near = /^-.$/.test(written) ? undefined : nearest(written, known);
  const rest = command.takesRest
    ? " What is meant for the VM begins with a word, or after --."
    : "";
  const hint = near === undefined ? "" : `Did you mean ${near}? `;
  return new OmertaError("usage", `Unknown flag ${quoted(written)} of 'omerta ${title}'`, {
    hint: `${hint}See 'omerta help ${title}'.${rest}`,
  });
}

function checkWords(command: Command, title: string, words: readonly string[]): void {
  const usage = `omerta ${title} ${command.words}`.trim();
  const hint = `Write '${usage}'; see 'omerta help ${title}'.`;
  if (words.length < command.wordsMin) {
    throw new OmertaError("usage", `'omerta ${title}' needs more: ${command.words}`, { hint });
  }
  if (words.length > command.wordsMax) {
    const extra = words[command.wordsMax] ?? "";
    throw new OmertaError("usage", `Unexpected word ${quoted(extra)}`, { hint });
  }
}
