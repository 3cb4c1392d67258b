import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import type { NodeId } from "../../src/base/mod.ts";
import { generateIdentity } from "../../src/crypto/mod.ts";
import {
  INVITE_LIFE_MS,
  INVITE_USES_MAX,
  InviteBook,
  inviteIdOf,
  type InviteRow,
  INVITES_MAX,
} from "../../src/membership/mod.ts";
import { alice, bob, DAY, eve, NOON, random } from "./samples.ts";

const order = { grants: ["rent", "provide"], uses: null, lifeMs: DAY } as const;

function make(
  book: InviteBook,
  changes: Partial<Parameters<InviteBook["make"]>[0]> = {},
): InviteRow {
  return book.make({ ...order, ...changes }, random, NOON);
}

function redeem(book: InviteBook, invite: InviteRow, who: NodeId, nowMs = NOON): string {
  const result = book.redeem(Uint8Array.fromHex(invite.secret), who, nowMs);
  return result.ok ? result.value.grants.join() : result.reason;
}

Deno.test("an invite is redeemed for the grants that it was made with", () => {
  const book = new InviteBook();
  const invite = make(book, { grants: ["relay", "rent"] });
  strictEqual(invite.id, inviteIdOf(Uint8Array.fromHex(invite.secret)));
  deepStrictEqual(invite.grants, ["rent", "relay"]);
  strictEqual(redeem(book, invite, alice.id), "rent,relay");
});

Deno.test("a limited invite admits so many subjects, and each of them again without counting", () => {
  const book = new InviteBook();
  const invite = make(book, { uses: 2 });
  const results = [alice, alice, bob, eve, alice, bob].map(({ id }) => redeem(book, invite, id));
  deepStrictEqual(results, [
    "rent,provide",
    "rent,provide",
    "rent,provide",
    "invite-used-up",
    "rent,provide",
    "rent,provide",
  ]);
  strictEqual(book.get(invite.id)?.redeemed, 2);
});

Deno.test("an unlimited invite counts everybody once and remembers the latest", () => {
  const book = new InviteBook();
  const invite = make(book);
  const ids = Array.from({ length: INVITE_USES_MAX + 1 }, (_, i) => `${i}` as NodeId);
  for (const id of ids) redeem(book, invite, id);
  const row = book.get(invite.id);
  deepStrictEqual([row?.redeemed, row?.subjects.length], [ids.length, INVITE_USES_MAX]);
  strictEqual(row?.subjects[0], ids[1]);
});

Deno.test("an invite that is unknown, revoked or over is refused, also to whom it admitted", () => {
  const book = new InviteBook();
  const invite = make(book);
  const revoked = make(book);
  redeem(book, revoked, alice.id);
  book.revoke(revoked.id, NOON);
  strictEqual(redeem(book, { ...invite, secret: "00".repeat(32) }, bob.id), "invite-unknown");
  strictEqual(redeem(book, revoked, alice.id), "invite-revoked");
  strictEqual(redeem(book, invite, bob.id, NOON + DAY), "rent,provide");
  strictEqual(redeem(book, invite, bob.id, NOON + DAY + 1), "invite-expired");
});

Deno.test("revoking again keeps the first time, and what is not there cannot be revoked", () => {
  const book = new InviteBook();
  const { id } = make(book);
  const first = book.revoke(id, NOON);
  deepStrictEqual(book.revoke(id, NOON + 5), first);
  strictEqual(first.ok && first.value.revokedAtMs, NOON);
  deepStrictEqual(book.revoke("0".repeat(16), NOON), { ok: false, reason: "not-found" });
});

Deno.test("what is over is kept for a week to say why, then dropped", () => {
  const book = new InviteBook();
  const living = make(book, { lifeMs: 30 * DAY });
  const expiring = make(book);
  const revoked = make(book, { lifeMs: 30 * DAY });
  book.revoke(revoked.id, NOON);
  deepStrictEqual(book.sweep(NOON + 7 * DAY), []);
  strictEqual(redeem(book, expiring, bob.id, NOON + 7 * DAY), "invite-expired");
  deepStrictEqual(book.sweep(NOON + 9 * DAY).toSorted(), [expiring.id, revoked.id].toSorted());
  deepStrictEqual(book.list().map(({ id }) => id), [living.id]);
});

Deno.test("a full book lets go what ended first, and never what keeps somebody out", () => {
  const book = new InviteBook();
  const [first, second, shut] = [make(book), make(book), make(book)];
  redeem(book, shut, alice.id);
  book.revoke(shut.id, NOON);
  book.revoke(second.id, NOON + 2);
  book.revoke(first.id, NOON + 1);
  for (let i = 3; i < INVITES_MAX; i++) make(book);
  for (const expected of [[first.id], [second.id], []]) {
    deepStrictEqual(book.sweep(NOON + 3), expected);
    if (expected.length > 0) make(book);
  }
  ok(book.get(shut.id));
});

const HOUR = 3_600_000;

/** Which invites are open, and why the others are over. */
function gates(book: InviteBook, nowMs: number): (string | undefined)[] {
  return [
    ...book.open(nowMs).map(({ id }) => id),
    ...book.over(nowMs).map(({ invite, reason }) => `${invite.id} ${reason}`),
  ];
}

Deno.test("the gate is open to invites by which somebody may come, and shuts with time", () => {
  const book = new InviteBook();
  const { id } = make(book);
  deepStrictEqual(gates(book, NOON + DAY), [id]);
  deepStrictEqual(gates(book, NOON + DAY + 1), [`${id} invite-expired`]);
  deepStrictEqual(gates(book, NOON + 8 * DAY), [`${id} invite-expired`]);
  deepStrictEqual(gates(book, NOON + 9 * DAY), [], "nobody is told any more");
});

Deno.test("a revoked invite is over at once", () => {
  const book = new InviteBook();
  const { id } = make(book, { lifeMs: 300 * DAY });
  book.revoke(id, NOON);
  deepStrictEqual(gates(book, NOON), [`${id} invite-revoked`]);
  deepStrictEqual(gates(book, NOON + 7 * DAY + 1), []);
});

Deno.test("a used-up invite stays open for an hour, to whose answer was lost", () => {
  const book = new InviteBook();
  const invite = make(book, { uses: 2 });
  redeem(book, invite, alice.id, NOON);
  redeem(book, invite, bob.id, NOON + HOUR);
  for (let at = 1; at <= 4; at++) redeem(book, invite, bob.id, NOON + at * HOUR);
  deepStrictEqual(gates(book, NOON + 2 * HOUR), [invite.id], "asking again does not prolong it");
  deepStrictEqual(gates(book, NOON + 2 * HOUR + 1), [`${invite.id} invite-used-up`]);
  deepStrictEqual(gates(book, NOON + DAY + 1), [`${invite.id} invite-expired`]);
  const unlimited = make(book);
  redeem(book, unlimited, alice.id);
  deepStrictEqual(book.open(NOON + 2 * HOUR + 1).map(({ id }) => id), [unlimited.id]);
});

Deno.test("a revoked invite is known until no certificate by it can be left", () => {
  const book = new InviteBook();
  const [used, unused] = [make(book), make(book)];
  redeem(book, used, alice.id);
  for (const { id } of [used, unused]) book.revoke(id, NOON);
  deepStrictEqual(book.sweep(NOON + 30 * DAY), [unused.id]);
  deepStrictEqual(book.sweep(NOON + 30 * DAY + HOUR), [used.id]);
});

Deno.test("make() refuses a life, uses or grants that have no sense, and a full book", () => {
  const book = new InviteBook();
  const { min, max } = INVITE_LIFE_MS;
  for (const lifeMs of [0, min - 1, max + 1, NaN]) throws(() => make(book, { lifeMs }), RangeError);
  for (const uses of [0, -1, 1.5, INVITE_USES_MAX + 1]) {
    throws(() => make(book, { uses }), RangeError);
  }
  throws(() => make(book, { grants: [] }), RangeError);
  strictEqual(book.list().length, 0);
  for (let i = 0; i < INVITES_MAX; i++) make(book);
  throws(() => make(book), /holds 1000 already/);
  deepStrictEqual(book.sweep(NOON), [], "none of them is over");
  throws(() => make(book), /holds 1000 already/);
  book.sweep(NOON + 9 * DAY);
  ok(book.make(order, random, NOON + 9 * DAY), "room again when the old ones are over");
});

Deno.test("a book survives a restart", () => {
  const book = new InviteBook();
  const invite = make(book, { uses: 1 });
  redeem(book, invite, alice.id);
  const restored = new InviteBook(JSON.parse(JSON.stringify(book.list())));
  deepStrictEqual(restored.list(), book.list());
  deepStrictEqual([redeem(restored, invite, alice.id), redeem(restored, invite, bob.id)], [
    "rent,provide",
    "invite-used-up",
  ]);
});

const crowd = Array.from({ length: 6 }, () => generateIdentity(random).identity.id);

Deno.test("in whatever order people come, a limited invite admits no more than it allows", () => {
  const visits = fc.array(fc.constantFrom(...crowd), { maxLength: 30 });
  fc.assert(fc.property(visits, fc.integer({ min: 1, max: 4 }), (who, uses) => {
    const book = new InviteBook();
    const invite = make(book, { uses });
    const admitted = new Set(who.filter((id) => redeem(book, invite, id) === "rent,provide"));
    deepStrictEqual([...admitted], [...new Set(who)].slice(0, uses));
    strictEqual(book.get(invite.id)?.redeemed, admitted.size);
  }));
});
