/** Words become a noun, a verb, flags and the rest; what is unknown is told the nearest. */
import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { OmertaError } from "../../src/base/mod.ts";
import { type Command, command } from "../../src/cli/command.ts";
import { also, list, maybe, option, toggle } from "../../src/cli/flags.ts";
import { wantsJson } from "../../src/cli/globals.ts";
import { parseLine, type Route, setApart, sight } from "../../src/cli/grammar.ts";
import { alias, plainText, wholeNumber } from "../../src/cli/values.ts";

const SAMPLE: Command = command({
  purpose: "be a sample",
  words: "[ID] [MORE]",
  wordsMin: 0,
  wordsMax: 2,
  takesRest: true,
  node: "none",
  flags: {
    maxVms: option("N", "how many", {
      parse: wholeNumber({ min: 1, max: 9 }),
      initial: 2,
      shown: "2",
    }),
    key: also(maybe("KEY", "key", plainText), "id"),
    allow: list("A", "whom", alias),
    dryRun: toggle("do nothing"),
  },
  examples: [],
  exits: [],
  run: () => Promise.resolve(),
});

function parse(...argv: string[]) {
  return parseLine(SAMPLE, "sample", argv);
}

function usage(pattern: RegExp, hint?: RegExp) {
  return (error: unknown) => {
    if (!(error instanceof OmertaError)) throw error;
    strictEqual(error.exit, 2);
    match(error.message, pattern);
    if (hint !== undefined) match(error.hint ?? "", hint);
    return true;
  };
}

function routeOf(...argv: string[]): Route {
  const seen = sight(argv);
  if (seen.type !== "command") throw new Error(`no command: ${argv.join(" ")}`);
  return seen.route;
}

Deno.test("parseLine() gives defaults where nothing is written", () => {
  deepStrictEqual(parse().flags, { maxVms: 2, key: null, allow: [], dryRun: false });
  strictEqual(parse().rest, null);
});

Deno.test("parseLine() takes values after a space and after an equals sign", () => {
  strictEqual(parse("--max-vms", "3").flags.maxVms, 3);
  strictEqual(parse("--max-vms=3").flags.maxVms, 3);
  strictEqual(parse("--key=a=b").flags.key, "a=b");
  strictEqual(parse("--id", "x").flags.key, "x");
  strictEqual(parse("--key=--x").flags.key, "--x");
  deepStrictEqual(parse("--allow", "a", "--allow=b").flags.allow, ["a", "b"]);
});

Deno.test("parseLine() mixes words, own flags and those of every command", () => {
  const line = parse("one", "--json", "--dry-run", "two", "-q", "--timeout=90s");
  deepStrictEqual(line.words, ["one", "two"]);
  strictEqual(line.flags.dryRun, true);
  strictEqual(line.globals.json, true);
  strictEqual(line.globals.quiet, true);
  strictEqual(line.globals.timeout, 90_000);
});

Deno.test("parseLine() leaves what stands after -- alone", () => {
  const line = parse("one", "--", "--dry-run", "--", "-x");
  deepStrictEqual(line.words, ["one"]);
  deepStrictEqual(line.rest, ["--dry-run", "--", "-x"]);
  strictEqual(line.flags.dryRun, false);
});

Deno.test("parseLine() takes a lone dash as a word and as a value", () => {
  deepStrictEqual(parse("-").words, ["-"]);
  strictEqual(parse("--join", "-").globals.join, "-");
});

Deno.test("parseLine() says what is wrong with a flag", () => {
  throws(
    () => parse("--max-vm", "3"),
    usage(/Unknown flag "--max-vm"/, /Did you mean --max-vms\?/),
  );
  throws(() => parse("--jsn"), usage(/Unknown flag/, /Did you mean --json\?/));
  throws(() => parse("--max-vms"), usage(/--max-vms needs a value: --max-vms N/));
  throws(() => parse("--max-vms", "--json"), usage(/needs a value/, /--max-vms=VALUE/));
  throws(() => parse("--max-vms", "x"), usage(/Cannot use --max-vms: "x" is not a whole number/));
  throws(() => parse("--max-vms=3", "--max-vms=4"), usage(/Cannot use --max-vms twice/));
  throws(() => parse("--dry-run=yes"), usage(/it takes none/));
  throws(() => parse("-x"), usage(/Unknown flag "-x"/, /^See 'omerta help [^']*'\..* after --/));
  throws(() => parse("--maxVms", "3"), usage(/Unknown flag/));
  throws(() => parse("--__proto__"), usage(/Unknown flag/));
});

Deno.test("parseLine() knows no letters that share a dash, nor values that stick to one", () => {
  throws(() => parse("-qv"), usage(/Unknown flag "-qv"/));
  throws(() => parse("-q", "-vq"), usage(/Unknown flag "-vq"/));
  throws(() => parse("-qx=1"), usage(/Unknown flag "-qx"/));
  throws(() => parse("-q=yes"), usage(/Cannot use -q with a value: it takes none/));
  throws(() => parse("-1"), usage(/Unknown flag "-1"/));
  throws(() => parse("---json"), usage(/Unknown flag "---json"/));
  throws(() => parse("--=x"), usage(/Unknown flag "--"/));
  throws(() => parse("-=x"), usage(/Unknown flag "-"/));
});

Deno.test("parseLine() has no --no- but where it is a flag's name", () => {
  throws(() => parse("--no-dry-run"), usage(/Unknown flag "--no-dry-run"/, /--dry-run/));
  throws(() => parse("--no-json"), usage(/Unknown flag "--no-json"/));
  const flags = { ...SAMPLE.flags, noWait: toggle("do not wait") };
  const line = parseLine({ ...SAMPLE, flags }, "sample", ["--no-wait", "word"]);
  deepStrictEqual([line.flags["noWait"], line.words], [true, ["word"]]);
  throws(() => parseLine({ ...SAMPLE, flags }, "sample", ["--wait"]), usage(/Unknown flag/));
});

Deno.test("parseLine() takes what stands after the equals sign as it is", () => {
  throws(() => parse("--key=", "x"), usage(/Cannot use --key: it is empty/));
  strictEqual(parse("--key==").flags.key, "=");
  strictEqual(parse("--key=--").flags.key, "--");
  strictEqual(parse("--key=a b=c").flags.key, "a b=c");
  strictEqual(parse("--key=-").flags.key, "-");
  throws(() => parse("--kex=a=b"), usage(/Unknown flag "--kex"/, /Did you mean --key\?/));
});

Deno.test("parseLine() takes no flag and no -- for a value", () => {
  throws(() => parse("--key", "--"), usage(/--key needs a value/, /--key=VALUE/));
  throws(() => parse("--key", "--dry-run", "x"), usage(/--key needs a value/, /--key=VALUE/));
  throws(() => parse("--key", "-q"), usage(/--key needs a value/));
  throws(() => parse("--json", "--key"), usage(/--key needs a value/, /^See 'omerta help sample'/));
  throws(() => parse("--key", ""), usage(/Cannot use --key: it is empty/));
  deepStrictEqual(parse("--dry-run", "--", "--key").rest, ["--key"]);
});

Deno.test("parseLine() takes switches twice, values once, and lists as often as one likes", () => {
  strictEqual(parse("--dry-run", "--dry-run").flags.dryRun, true);
  strictEqual(parse("-q", "--quiet").globals.quiet, true);
  throws(() => parse("--key", "a", "--id=b"), usage(/Cannot use --id twice/));
  throws(() => parse("--state=/a", "--state", "/b"), usage(/Cannot use --state twice/));
  deepStrictEqual(parse("--allow=a", "x", "--allow", "b", "--allow=a").flags.allow, [
    "a",
    "b",
    "a",
  ]);
});

Deno.test("parseLine() counts words", () => {
  throws(() => parse("a", "b", "c"), usage(/Unexpected word "c"/, /omerta sample \[ID\] \[MORE\]/));
  const needy = { ...SAMPLE, wordsMin: 1 };
  throws(() => parseLine(needy, "sample", []), usage(/needs more/));
});

const APART: readonly [string, string][] = [
  ["ssh web uname -a", "ssh web -- uname -a"],
  ["vm ssh web df -h", "vm ssh web -- df -h"],
  ["consumer ssh web --state /s ls --help", "consumer ssh web --state /s -- ls --help"],
  ["--state /s ssh --json web ls --json", "--state /s ssh --json web -- ls --json"],
  ["ssh --tty web top --state /x", "ssh --tty web -- top --state /x"],
  ["ssh web --state=/s tar cf - -- x", "ssh web --state=/s -- tar cf - -- x"],
  ["ssh web -", "ssh web -- -"],
  ["ssh web -- uname -a", "ssh web -- uname -a"],
  ["ssh -- uname -a", "ssh -- uname -a"],
  ["ssh web", "ssh web"],
  ["ssh", "ssh"],
  ["ssh --help web", "ssh --help web"],
  ["vm forward web 1:1 2:2", "vm forward web 1:1 2:2"],
  ["mesh ping ssh web uname", "mesh ping ssh web uname"],
  ["constructor ssh web uname", "constructor ssh web uname"],
];

for (const [written, meant] of APART) {
  Deno.test(`setApart() reads '${written}' as '${meant}'`, () => {
    deepStrictEqual(setApart(written.split(" ")), meant.split(" "));
  });
}

Deno.test("setApart() does nothing to what it has set apart", () => {
  const word = fc.constantFrom("ssh", "vm", "web", "ls", "-h", "--state", "--json", "--", "-");
  fc.assert(fc.property(fc.array(word, { maxLength: 8 }), (argv) => {
    deepStrictEqual(setApart(setApart(argv)), setApart(argv));
  }));
});

Deno.test("sight() finds noun and verb, also by alias and shortcut", () => {
  deepStrictEqual(routeOf("consumer", "list", "--json"), {
    noun: "consumer",
    verb: "list",
    words: ["--json"],
  });
  deepStrictEqual(routeOf("vm", "ssh", "web", "--", "ls"), {
    noun: "consumer",
    verb: "ssh",
    words: ["web", "--", "ls"],
  });
  deepStrictEqual(routeOf("ssh", "web"), { noun: "consumer", verb: "ssh", words: ["web"] });
  deepStrictEqual(routeOf("status"), { noun: "mesh", verb: "status", words: [] });
});

Deno.test("sight() lets flags of every command stand anywhere", () => {
  const words = ["--json", "--state", "run"];
  deepStrictEqual(routeOf("--json", "--state", "run", "mesh", "status").words, words);
  deepStrictEqual(routeOf("mesh", "--json", "--state", "run", "status").words, words);
  deepStrictEqual(routeOf("mesh", "status", "--json", "--state", "run").words, words);
});

Deno.test("sight() takes relay and provider alone as their run", () => {
  deepStrictEqual(routeOf("relay"), { noun: "relay", verb: "run", words: [] });
  deepStrictEqual(routeOf("relay", "--port", "9000").words, ["--port", "9000"]);
  deepStrictEqual(routeOf("relay", "--json", "status").verb, "status");
  deepStrictEqual(routeOf("provider", "run", "--cpu=2").words, ["--cpu=2"]);
  throws(() => sight(["provider", "stats"]), usage(/Unknown provider command/, /status/));
});

Deno.test("sight() asks for help where --help stands, but not after --", () => {
  deepStrictEqual(sight([]), { type: "help", noun: null, verb: null });
  deepStrictEqual(sight(["--help"]), { type: "help", noun: null, verb: null });
  deepStrictEqual(sight(["mesh", "-h"]), { type: "help", noun: "mesh", verb: null });
  deepStrictEqual(sight(["mesh", "help"]), { type: "help", noun: "mesh", verb: null });
  deepStrictEqual(sight(["mesh", "ping", "x", "--help"]), {
    type: "help",
    noun: "mesh",
    verb: "ping",
  });
  deepStrictEqual(sight(["ssh", "--help"]), { type: "help", noun: "consumer", verb: "ssh" });
  strictEqual(sight(["ssh", "web", "--", "ls", "--help"]).type, "command");
  deepStrictEqual(routeOf("--version", "--json"), { noun: "version", verb: "", words: ["--json"] });
});

Deno.test("sight() tells the nearest word of an unknown one", () => {
  throws(() => sight(["netwrk"]), usage(/Unknown command "netwrk"/, /omerta network/));
  throws(() => sight(["network", "jion"]), usage(/Unknown network command/, /omerta network join/));
  throws(() => sight(["peers"]), usage(/Unknown command/, /omerta mesh peers/));
  throws(() => sight(["network"]), usage(/needs a verb: create, join/));
  throws(() => sight(["--frobnicate", "mesh"]), usage(/A command must come first/));
});

Deno.test("what does not exist yet is unknown", () => {
  for (const argv of [["completion", "bash"], ["mesh", "why"], ["mesh", "events"]]) {
    throws(() => sight(argv), usage(/Unknown/));
  }
});

Deno.test("a word cannot reach into the prototype of the table", () => {
  for (const word of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    throws(() => sight([word]), usage(/Unknown/));
    throws(() => sight(["mesh", word]), usage(/Unknown/));
  }
});

Deno.test("wantsJson() sees the flag before it is known whether the line is right", () => {
  strictEqual(wantsJson(["mesh", "x", "--json"]), true);
  strictEqual(wantsJson(["--output", "json", "x"]), true);
  strictEqual(wantsJson(["--output=json"]), true);
  strictEqual(wantsJson(["ssh", "--", "--json"]), false);
});

Deno.test("no line makes the grammar throw anything but a usage error", () => {
  const word = fc.oneof(
    fc.constantFrom("mesh", "ssh", "run", "--json", "--state", "--", "-", "--key", "--allow=a"),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  fc.assert(fc.property(fc.array(word, { maxLength: 8 }), (argv) => {
    for (const attempt of [() => sight(argv), () => parse(...argv)]) {
      try {
        attempt();
      } catch (error) {
        if (!(error instanceof OmertaError) || error.exit !== 2) throw error;
      }
    }
  }));
});
