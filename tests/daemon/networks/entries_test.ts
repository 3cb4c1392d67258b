/** Where a network is entered: lists of a bounded length, the best first. */
import assert from "node:assert/strict";
import type { NamedNode, NodeId } from "../../../src/base/mod.ts";
import {
  ENTRIES_MAX,
  entriesFirst,
  hasEntry,
  withEntry,
} from "../../../src/daemon/networks/entries.ts";

const node = (letter: string, ...addresses: string[]): NamedNode => {
  return { id: letter.repeat(52) as NodeId, addresses };
};
const letters = (entries: readonly NamedNode[]) => entries.map(({ id }) => id[0]).join("");
const FULL = [..."abcdefgh"].map((letter) => node(letter, "192.0.2.1:1"));

Deno.test("an entry is known where all of its addresses are", () => {
  const known = [node("a", "192.0.2.1:1", "192.0.2.2:1"), node("b")];
  assert.equal(hasEntry(known, node("a", "192.0.2.2:1")), true);
  assert.equal(hasEntry(known, node("a", "192.0.2.2:1", "192.0.2.3:1")), false);
  assert.equal(hasEntry(known, node("c", "192.0.2.1:1")), false);
  assert.equal(hasEntry([], node("c", "192.0.2.1:1")), false);
});

Deno.test("an entry that is learnt takes its former place, or the last", () => {
  const known = [node("a", "192.0.2.1:1"), node("b", "192.0.2.2:1")];
  const moved = node("a", "192.0.2.9:1");
  assert.deepEqual(withEntry(known, moved), [moved, known[1]]);
  assert.equal(letters(withEntry(known, node("c"))), "abc");
  assert.equal(letters(withEntry(FULL, node("x"))), "abcdefgx");
  assert.equal(letters(withEntry(FULL, node("h"))), "abcdefgh");
});

Deno.test("entries that come first put out what stood last", () => {
  assert.equal(FULL.length, ENTRIES_MAX);
  assert.equal(letters(entriesFirst(FULL, [node("x")])), "xabcdefg");
  const moved = node("c", "192.0.2.9:1");
  const entries = entriesFirst(FULL, [moved]);
  assert.deepEqual([letters(entries), entries[0]], ["cabdefgh", moved]);
});
