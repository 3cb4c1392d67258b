/** How a command fails: the sentence, the hint, the document, the status. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { OmertaError } from "../../src/base/mod.ts";
import { fail } from "../../src/cli/failure.ts";
import { Output } from "../../src/cli/output.ts";
import { reportFailed } from "../../src/cli/partly.ts";
import { errorDoc } from "../../src/api/error_doc.ts";
import { FakeTerminal } from "./fakes.ts";

const PLAIN = { json: false, quiet: false, verbose: false };
const SAID = new OmertaError("provider-full", "provider abcd1234 says: run this", {
  fields: { said_by: "abcd1234".padEnd(52, "a") },
});

Deno.test("an error without a hint gets the usual one of its code", () => {
  const terminal = new FakeTerminal();
  const status = fail(new Output(terminal, PLAIN), new OmertaError("provider-full", "no room"));
  strictEqual(status, 6);
  deepStrictEqual(terminal.stderr.trim().split("\n").length, 2);
});

Deno.test("no hint of ours stands beside what a peer said", () => {
  const terminal = new FakeTerminal();
  strictEqual(fail(new Output(terminal, PLAIN), SAID), 6);
  const said = "omerta: Provider abcd1234 says: run this.\n";
  strictEqual(terminal.stderr, said);
  terminal.stderr = "";
  const error = errorDoc(SAID);
  strictEqual(reportFailed(new Output(terminal, PLAIN), [{ id: "vm", error }]), 6);
  strictEqual(terminal.stderr.trim().split("\n").length, 1);
});

Deno.test("when to ask again has its unit in its name, as every duration", () => {
  const terminal = new FakeTerminal();
  const full = new OmertaError("provider-full", "no room", { fields: { retryMs: 1_000 } });
  fail(new Output(terminal, { ...PLAIN, json: true }), full);
  const { error } = JSON.parse(terminal.stdout);
  deepStrictEqual([error.retry_ms, "retryMs" in error], [1_000, false]);
});
