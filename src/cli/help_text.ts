/**
 * Help, made from the command table: all of it, a noun, a command, the error codes.
 *
 * @module
 */
import { ERRORS, OmertaError } from "../base/mod.ts";
import type { Command, Verbs } from "./command.ts";
import { flagName, type Flags } from "./flags.ts";
import { facts, table } from "./format.ts";
import { GLOBAL_FLAGS } from "./globals.ts";
import { dashed } from "./tokens.ts";
import { nearest } from "./nearest.ts";
import { findNoun, firstWords, type Noun, NOUNS, SHORTCUTS } from "./nouns.ts";
import { quoted } from "./values.ts";

/** Widest line of running text. */
const WIDTH = 80;

/** What the exit statuses mean. Source: the command line's contract. */
const EXITS: Readonly<Record<number, string>> = {
  0: "done",
  1: "a defect of omerta",
  2: "wrong usage",
  3: "not found, or ambiguous",
  4: "no node runs",
  5: "unreachable",
  6: "refused",
  7: "too late: timeout, or the lease ended",
  8: "conflict",
  9: "damaged",
  10: "missing here",
  255: "the ssh connection failed; any other: the remote command's own",
};

/** The whole tool. */
export function overview(): string[] {
  const nouns = Object.entries(NOUNS).map(([name, { purpose }]) => [name, purpose] as const);
  const shortcuts = Object.entries(SHORTCUTS).map(([word, [noun, verb]]) => {
    return [word, `omerta ${noun} ${verb}`] as const;
  });
  return [
    "omerta: virtual machines lent among people, reached through a private mesh",
    "",
    "usage: omerta NOUN [VERB] [ARGUMENTS] [FLAGS]",
    "",
    ...indented(facts(nouns)),
    "",
    "short forms:",
    ...indented(facts(shortcuts)),
    "",
    "begin:",
    ...indented(facts([
      ["omerta relay --port 9000", "on a host with a public address: makes a network"],
      ["omerta join -", "on every other machine: takes the invite that it printed on stdin"],
      ["omerta provider", "on hardware that is to lend virtual machines"],
      ["omerta request; omerta ssh", "wherever you need one"],
    ])),
    "",
    "more: omerta help NOUN, omerta help NOUN VERB, omerta help errors",
  ];
}

/** A noun and its verbs. */
export function nounHelp(name: string, noun: Noun, verbs: Verbs): string[] {
  const rows = noun.verbs.map((verb) => {
    const { words = "", purpose = "" } = verbs[verb] ?? {};
    return [`${verb} ${words}`.trim(), purpose] as const;
  });
  const alone = noun.alone === undefined ? [] : aloneLines(name, noun.alone, verbs[noun.alone]);
  return [
    `omerta ${name}: ${noun.purpose}`,
    "",
    ...indented(facts(rows)),
    "",
    ...alone,
    `more: omerta help ${name} VERB`,
  ];
}

/** What the noun alone does is what its verb does: its flags and examples, too. */
function aloneLines(name: string, verb: string, command: Command | undefined): string[] {
  const flags = command === undefined ? [] : flagLines(command.flags);
  return [
    `'omerta ${name}' alone: ${verb}`,
    "",
    ...flags.length === 0 ? [] : [`flags of 'omerta ${name}':`, ...indented(flags), ""],
    ...command === undefined ? [] : ["examples:", ...indented(command.examples), ""],
  ];
}

/** One command: purpose, flags, examples, exit statuses. */
export function commandHelp(title: string, command: Command): string[] {
  const rest = command.takesRest === true ? "[[--] COMMAND…]" : "";
  const usage = ["omerta", title, command.words, "[FLAGS]", rest].filter((word) => word !== "");
  const own = flagLines(command.flags);
  return [
    `omerta ${title}: ${command.purpose}`,
    "",
    `usage: ${usage.join(" ")}`,
    "",
    ...(command.details ?? []).flatMap((text) => [...wrapped(text), ""]),
    ...nodeLines(command),
    ...own.length === 0 ? [] : ["flags:", ...indented(own), ""],
    "everywhere:",
    ...indented(flagLines(GLOBAL_FLAGS)),
    "",
    "examples:",
    ...indented(command.examples),
    "",
    "exit status:",
    ...indented(facts([0, 1, 2, ...command.exits].map((exit) => [`${exit}`, EXITS[exit] ?? ""]))),
  ];
}

function nodeLines({ node }: Command): string[] {
  if (node === "started") {
    return [...wrapped("Where no node runs on this state, one is started in the background."), ""];
  }
  return node === "running" ? [...wrapped("It needs a running node on this state."), ""] : [];
}

function flagLines(flags: Flags): string[] {
  const shown = Object.entries(flags).filter(([, { hidden }]) => !hidden);
  return facts(shown.map(([key, flag]) => {
    const names = [...flag.also.filter((name) => name.length === 1), flagName(key)];
    const others = flag.also.filter((name) => name.length > 1);
    const written = [...names, ...others].map(dashed).join(", ");
    const value = flag.value === null ? "" : ` ${flag.value}`;
    const repeats = flag.repeats ? "…" : "";
    const initial = flag.shown === null ? "" : ` (default: ${flag.shown})`;
    return [`${written}${value}${repeats}`, `${flag.about}${initial}`];
  }));
}

/** Every error code with its exit status. */
export function errorsHelp(): string[] {
  const rows = Object.entries(ERRORS).map(([code, { exit, about }]) => [code, `${exit}`, about]);
  return [
    ...table(["CODE", "EXIT", "MEANING"], rows),
    "",
    "ended by SIGINT: exit 130, by SIGTERM: 143, with the code 'interrupted'; a node: 0",
  ];
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** A paragraph as lines. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line.length + word.length >= WIDTH) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** A noun, a command or a short form by its words. @throws {OmertaError} `usage` where there is none. */
export async function topicHelp(topic: string, second: string | undefined): Promise<string[]> {
  if (topic === "errors") throw unknownTopic(`errors ${second}`, ["errors"]);
  const shortcut = Object.hasOwn(SHORTCUTS, topic) ? SHORTCUTS[topic] : undefined;
  const [word, verb] = shortcut !== undefined && second === undefined ? shortcut : [topic, second];
  const found = findNoun(word);
  if (found === undefined) throw unknownTopic(word, [...firstWords(), "errors"]);
  const { name, noun } = found;
  const verbs = await noun.load();
  if (verb === undefined && noun.alone !== "") return nounHelp(name, noun, verbs);
  const command = Object.hasOwn(verbs, verb ?? "") ? verbs[verb ?? ""] : undefined;
  if (command === undefined) throw unknownTopic(`${verb}`, noun.verbs);
  return commandHelp(`${name} ${verb ?? ""}`.trim(), command);
}

function unknownTopic(word: string, known: readonly string[]): OmertaError {
  const near = nearest(word, known);
  const hint = near === undefined ? "See 'omerta help'." : `Did you mean '${near}'?`;
  return new OmertaError("usage", `There is no help about ${quoted(word)}`, { hint });
}
