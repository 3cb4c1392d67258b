/** The word that was probably meant. */
import { strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { editDistance, nearest } from "../../src/cli/nearest.ts";

Deno.test("editDistance() counts insertions, deletions, replacements and swaps", () => {
  strictEqual(editDistance("", "abc"), 3);
  strictEqual(editDistance("list", "list"), 0);
  strictEqual(editDistance("lsit", "list"), 1);
  strictEqual(editDistance("lit", "list"), 1);
  strictEqual(editDistance("kitten", "sitting"), 3);
});

Deno.test("editDistance() is symmetric and at most the longer length", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => {
    strictEqual(editDistance(a, b), editDistance(b, a));
    strictEqual(editDistance(a, b) <= Math.max(a.length, b.length), true);
  }));
});

Deno.test("nearest() finds a slip and a beginning, and nothing where nothing is near", () => {
  const words = ["request", "release", "list", "ssh"];
  strictEqual(nearest("reqest", words), "request");
  strictEqual(nearest("rele", words), "release");
  strictEqual(nearest("lsit", words), "list");
  strictEqual(nearest("banana", words), undefined);
  strictEqual(nearest("x".repeat(10_000), words), undefined);
});
