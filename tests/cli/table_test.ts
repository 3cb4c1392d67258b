/** The command table itself: whole, consistent, and its examples are right. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { EXIT } from "../../src/base/mod.ts";
import type { Command } from "../../src/cli/command.ts";
import { flagName } from "../../src/cli/flags.ts";
import { GLOBAL_FLAGS } from "../../src/cli/globals.ts";
import { parseLine, setApart, sight } from "../../src/cli/grammar.ts";
import { commandHelp, nounHelp } from "../../src/cli/help_text.ts";
import { NOUNS, SHORTCUTS } from "../../src/cli/nouns.ts";

async function everyCommand(): Promise<{ noun: string; verb: string; command: Command }[]> {
  const all = [];
  for (const [name, noun] of Object.entries(NOUNS)) {
    for (const [verb, command] of Object.entries(await noun.load())) {
      all.push({ noun: name, verb, command });
    }
  }
  return all;
}

Deno.test("the list of verbs is the list of commands, in the same order", async () => {
  for (const noun of Object.values(NOUNS)) {
    deepStrictEqual(Object.keys(await noun.load()), noun.verbs);
  }
});

Deno.test("what a command for a VM begins after is known of every command that takes one", async () => {
  for (const { noun, verb, command } of await everyCommand()) {
    const after = NOUNS[noun]?.commandAfter?.[verb];
    strictEqual(after, command.takesRest === true ? command.wordsMax : undefined);
    // Values of flags would be taken for words.
    if (after !== undefined) ok(Object.values(command.flags).every(({ value }) => value === null));
  }
});

Deno.test("every shortcut leads to a command", async () => {
  for (const [noun, verb] of Object.values(SHORTCUTS)) {
    ok((await NOUNS[noun]?.load())?.[verb] !== undefined);
  }
});

Deno.test("the commands of the issue are there, and what does not work yet is not", async () => {
  const names = (await everyCommand()).map(({ noun, verb }) => `${noun} ${verb}`.trim());
  const issue = [
    ...["create", "join", "list", "show", "leave"].map((verb) => `network ${verb}`),
    ...["invite", "invites", "revoke", "export", "import"].map((verb) => `network ${verb}`),
    ...["run", "status", "peers", "ping", "stop"].map((verb) => `mesh ${verb}`),
    ...["run", "status"].map((verb) => `relay ${verb}`),
    ...["run", "status", "evict"].map((verb) => `provider ${verb}`),
    ...["request", "list", "status", "ssh", "proxy"].map((verb) => `consumer ${verb}`),
    ...["forward", "ssh-config", "extend", "release", "trust"].map((verb) => `consumer ${verb}`),
    "version",
    "help",
  ];
  deepStrictEqual(names.toSorted(), issue.toSorted());
});

Deno.test("no flag of a command hides one that every command has", async () => {
  const names = (flags: Command["flags"]) =>
    Object.entries(flags).flatMap(([key, { also }]) => [flagName(key), ...also]);
  const globals = names(GLOBAL_FLAGS);
  for (const { noun, verb, command } of await everyCommand()) {
    const own = names(command.flags);
    strictEqual(new Set([...own, ...globals]).size, own.length + globals.length, `${noun} ${verb}`);
  }
});

Deno.test("every command has a purpose, one to three examples and known exit statuses", async () => {
  const known: number[] = [...Object.values(EXIT), 255];
  for (const { noun, verb, command } of await everyCommand()) {
    const name = `${noun} ${verb}`;
    match(command.purpose, /^[a-z].*[^.]$/, name);
    ok(command.examples.length >= 1 && command.examples.length <= 3, name);
    for (const exit of command.exits) ok(known.includes(exit) && exit > 2, name);
  }
});

/** The words of the `omerta` command in an example. */
function exampleWords(example: string): string[] | undefined {
  const line = /(?:^|[( ])omerta (.*?)(?: [<>|&]|\)|$)/.exec(example)?.[1];
  return line?.replaceAll("…", "A".repeat(40)).split(" ");
}

Deno.test("every example is a command line that the grammar takes", async () => {
  for (const { noun, verb, command } of await everyCommand()) {
    for (const example of command.examples) {
      const words = exampleWords(example);
      if (words === undefined) continue;
      const seen = sight(setApart(words));
      if (seen.type !== "command") throw new Error(`no command: ${example}`);
      deepStrictEqual([seen.route.noun, seen.route.verb], [noun, verb], example);
      parseLine(command, "test", seen.route.words);
    }
  }
});

Deno.test("the help of every command fits a terminal of 100 columns and names each flag", async () => {
  for (const { noun, verb, command } of await everyCommand()) {
    const lines = commandHelp(`${noun} ${verb}`, command);
    for (const line of lines) ok(line.length <= 100, `${line.length}: ${line}`);
    const text = lines.join("\n");
    for (const [key, { hidden }] of Object.entries(command.flags)) {
      strictEqual(text.includes(`--${flagName(key)}`), !hidden, `${noun} ${verb} --${key}`);
    }
  }
});

Deno.test("the help of a noun that runs alone shows the flags by which it runs", async () => {
  for (const [name, noun] of Object.entries(NOUNS)) {
    if (!noun.alone) continue;
    const verbs = await noun.load();
    const text = nounHelp(name, noun, verbs).join("\n");
    for (const [key, { hidden }] of Object.entries(verbs[noun.alone]?.flags ?? {})) {
      if (!hidden) ok(text.includes(`--${flagName(key)}`), `omerta ${name} --help: ${key}`);
    }
  }
});
