import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { generateIdentity, type Identity } from "../../src/crypto/mod.ts";
import {
  type NodeFacts,
  type NodeRecord,
  RecordBook,
  signRecord,
  verifyRecord,
} from "../../src/membership/mod.ts";
import { alice, bob, eve, facts, MINUTE, network, NOON, other, random } from "./samples.ts";

function record(changes: Partial<NodeFacts> = {}, by: Identity = alice): NodeRecord {
  const said = { ...facts, ...changes };
  const bytes = signRecord(by, said);
  const result = verifyRecord(bytes, { network: said.network, nowMs: said.publishedAtMs });
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

const OVER = facts.expiresAtMs + 10 * MINUTE + 1;

Deno.test("the newest record of a node wins, in whatever order they come", () => {
  const all = [1, 2, 3, 4].map((seq) => record({ seq }));
  fc.assert(fc.property(fc.shuffledSubarray(all, { minLength: 1 }), (some) => {
    const book = new RecordBook(network);
    for (const each of some) book.put(each, NOON);
    const newest = Math.max(...some.map(({ seq }) => seq));
    strictEqual(book.get(alice.id, NOON)?.seq, newest);
    strictEqual(book.size, 1);
  }));
});

Deno.test("put() says what a record was to the book", () => {
  const book = new RecordBook(network);
  const outcomes = [
    record({ seq: 5 }),
    record({ seq: 5 }),
    record({ seq: 4 }),
    record({ seq: 5, alias: "double" }),
    record({ seq: 6 }),
  ].map((each) => book.put(each, NOON));
  deepStrictEqual(outcomes, ["new", "same", "stale", "conflict", "newer"]);
  strictEqual(book.put(record({ seq: 9 }), OVER), "expired");
});

Deno.test("a record that has expired is nowhere to be found, and does not block a younger start", () => {
  const book = new RecordBook(network);
  book.put(record({ seq: 9 }), NOON);
  deepStrictEqual([book.get(alice.id, OVER), book.list(OVER), book.withRole("provider", OVER)], [
    undefined,
    [],
    [],
  ]);
  const anew = record({ seq: 1, publishedAtMs: OVER, expiresAtMs: OVER + MINUTE });
  strictEqual(book.put(anew, OVER), "new");
});

Deno.test("sweep() drops what has expired and nothing else", () => {
  const book = new RecordBook(network);
  book.put(record(), NOON);
  book.put(record({ expiresAtMs: NOON + 60 * MINUTE }, bob), NOON);
  strictEqual(book.sweep(NOON), 0);
  strictEqual(book.sweep(OVER), 1);
  deepStrictEqual(book.list(OVER).map(({ id }) => id), [bob.id]);
});

Deno.test("nodes are found by id, by prefix, by alias and by role", () => {
  const book = new RecordBook(network);
  book.put(record(), NOON);
  book.put(record({ alias: "tower", roles: ["relay", "provider"] }, bob), NOON);
  const found = (name: string) => {
    const result = book.resolve(name, NOON);
    return result.ok ? result.value.id : result.reason;
  };
  strictEqual(found(alice.id), alice.id);
  strictEqual(found(bob.id.slice(0, 8)), bob.id);
  strictEqual(found("tower"), bob.id);
  strictEqual(found("nobody"), "not-found");
  deepStrictEqual(book.withRole("relay", NOON).map(({ id }) => id), [bob.id]);
  strictEqual(book.withRole("provider", NOON).length, 2);
});

Deno.test("two nodes of one alias are ambiguous, unless one of them was meant before", () => {
  const book = new RecordBook(network);
  book.put(record({ alias: "box" }, bob), NOON);
  book.put(record({ alias: "box" }, eve), NOON);
  deepStrictEqual(book.resolve("box", NOON), { ok: false, reason: "ambiguous" });
  const pinned = book.resolve("box", NOON, eve.id);
  strictEqual(pinned.ok && pinned.value.id, eve.id);
});

Deno.test("a full book drops the record that was not renewed for longest", () => {
  const book = new RecordBook(network, 2);
  const ivan = generateIdentity(random).identity;
  book.put(record(), NOON);
  book.put(record({}, bob), NOON);
  book.put(record({ seq: 8 }), NOON);
  book.put(record({}, ivan), NOON);
  deepStrictEqual(book.list(NOON).map(({ id }) => id), [alice.id, ivan.id]);
});

Deno.test("a book takes no record of another network", () => {
  const foreign = record({ network: other.network });
  throws(() => new RecordBook(network).put(foreign, NOON), TypeError);
});
