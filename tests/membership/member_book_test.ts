import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { MemberBook, type MemberEntry } from "../../src/membership/mod.ts";
import { alice, bob, DAY, eve, NOON } from "./samples.ts";

const HOUR = 3_600_000;

const entry = (changes: Partial<MemberEntry> = {}): MemberEntry => ({
  node: alice.id,
  grants: ["rent"],
  invite: "0123456789abcdef",
  admittedAtMs: NOON,
  expiresAtMs: NOON + 30 * DAY,
  ...changes,
});

Deno.test("a member is there by its id, the newest entry in the place of older ones", () => {
  const book = new MemberBook([entry()]);
  strictEqual(book.put(entry({ invite: null })), true);
  deepStrictEqual([book.size, book.get(alice.id)?.invite, book.get(bob.id)], [1, null, undefined]);
});

Deno.test("a full book refuses newcomers and keeps whom it has", () => {
  const book = new MemberBook([entry()], 2);
  strictEqual(book.put(entry({ node: bob.id })), true);
  deepStrictEqual([book.hasRoom(eve.id), book.put(entry({ node: eve.id }))], [false, false]);
  deepStrictEqual([book.hasRoom(alice.id), book.put(entry({ invite: null }))], [true, true]);
  deepStrictEqual([book.size, book.get(eve.id)], [2, undefined]);
});

Deno.test("who cannot renew any more is forgotten, and makes room", () => {
  const book = new MemberBook([entry(), entry({ node: bob.id, expiresAtMs: NOON })], 2);
  deepStrictEqual(book.sweep(NOON + HOUR / 6), [], "within the slack of clocks it could renew");
  deepStrictEqual(book.sweep(NOON + HOUR), [bob.id]);
  deepStrictEqual([book.size, book.hasRoom(eve.id)], [1, true]);
});
