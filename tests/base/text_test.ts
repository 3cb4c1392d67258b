/** One class of characters that reach neither a terminal nor a log as they are. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { capital, hasControls, oneLine, printable, quoted, sentence } from "../../src/base/mod.ts";

const texts = fc.string({ unit: "binary" });

Deno.test("printable() escapes what moves a cursor or reorders text, and leaves the rest", () => {
  assert.equal(
    printable("a\x1b[2J\r\n\x07\x9b31m\u202eb"),
    "a\\x1b[2J\\x0d\\x0a\\x07\\x9b31m\\u202eb",
  );
  assert.equal(printable("grün 漢字 🙂"), "grün 漢字 🙂");
});

Deno.test("oneLine() escapes the same as JSON does", () => {
  assert.equal(oneLine("a\n\x1b[31m\x9b\u2028b"), "a\\u000a\\u001b[31m\\u009b\\u2028b");
  assert.equal(oneLine("gpj.\u202eexe"), "gpj.\\u202eexe");
  fc.assert(fc.property(texts, (text) => {
    assert.deepEqual(JSON.parse(oneLine(JSON.stringify(text))), text);
  }));
});

Deno.test("what was escaped holds no controls, and nothing else is touched", () => {
  fc.assert(fc.property(texts, (text) => {
    for (const way of [printable, oneLine, (text: string) => quoted(text, 60)]) {
      assert.ok(!hasControls(way(text)));
    }
    assert.equal(printable(text) === text, !hasControls(text));
  }));
});

Deno.test("every control of C0 and C1, every end of a line and every mark of direction is one", () => {
  const codes = [...Array(0x20).keys(), ...Array.from({ length: 0x21 }, (_, i) => 0x7f + i)];
  const marks = [0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069];
  for (const code of [...codes, ...marks]) {
    assert.ok(hasControls(String.fromCharCode(code)), `${code}`);
  }
  for (const text of ["", " ", "~", "\u00a0", "é", "🙂"]) assert.ok(!hasControls(text), text);
});

Deno.test("quoted() cuts what is long, and survives half a character", () => {
  assert.equal(quoted("x".repeat(9), 9), `"${"x".repeat(9)}"`);
  assert.equal(quoted("x".repeat(10), 9), `"${"x".repeat(6)}…"`);
  assert.equal(quoted("ab🙂defgh", 6), '"ab\ufffd…"');
  assert.equal(quoted("a\u202e", 9), '"a?"');
});

Deno.test("capital() and sentence() begin large, and a sentence ends", () => {
  assert.deepEqual(["no room", "", "é"].map(capital), ["No room", "", "É"]);
  assert.deepEqual(["no room", "why?", "a…"].map(sentence), ["No room.", "Why?", "A…"]);
});
