/** stdout carries data, stderr talk; nothing that a peer says reaches a terminal as a control. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { printable } from "../../src/base/mod.ts";
import { jsonLine, Output } from "../../src/cli/output.ts";
import { FakeTerminal } from "./fakes.ts";

const PLAIN = { json: false, quiet: false, verbose: false };

Deno.test("jsonLine() is one line that parses to the same value, without controls", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const line = jsonLine({ text });
    deepStrictEqual(JSON.parse(line), JSON.parse(JSON.stringify({ text })));
    strictEqual(printable(line), line);
  }));
});

Deno.test("a document is JSON with its schema, or lines for people", () => {
  const terminal = new FakeTerminal();
  new Output(terminal, { ...PLAIN, json: true }).document("mesh.status", { a: 1 }, () => ["text"]);
  strictEqual(terminal.stdout, '{"schema":"omerta.mesh.status/1","a":1}\n');
  terminal.stdout = "";
  new Output(terminal, PLAIN).document("mesh.status", { a: 1 }, () => ["te\x1bxt"]);
  strictEqual(terminal.stdout, "te\\x1bxt\n");
});

Deno.test("progress shows on a terminal alone, is cut to its width, and goes before data comes", () => {
  const terminal = new FakeTerminal();
  new Output(terminal, PLAIN).progress("booting");
  strictEqual(terminal.stderr, "");
  terminal.stderrIsTerminal = true;
  const out = new Output(terminal, PLAIN);
  out.progress("b".repeat(200));
  strictEqual(terminal.stderr, `\r\x1b[K${"b".repeat(79)}`);
  terminal.stderr = "";
  out.lines(["done"]);
  strictEqual(terminal.stderr, "\r\x1b[K");
  new Output(terminal, { ...PLAIN, quiet: true }).progress("quiet");
  strictEqual(terminal.stderr, "\r\x1b[K");
});

Deno.test("--quiet takes notes away, never errors; NO_COLOR takes colour away", () => {
  const terminal = new FakeTerminal();
  terminal.stderrIsTerminal = true;
  terminal.env = { NO_COLOR: "1" };
  const out = new Output(terminal, { ...PLAIN, quiet: true });
  out.note("note");
  out.failure("It failed.", "Try again.");
  strictEqual(terminal.stderr, "omerta: It failed.\n  Try again.\n");
  terminal.env = {};
  terminal.stderr = "";
  new Output(terminal, PLAIN).failure("It failed.", null);
  strictEqual(terminal.stderr, "\x1b[1;31momerta:\x1b[0m It failed.\n");
});
