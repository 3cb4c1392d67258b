import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  type Admission,
  admit,
  type Admitter,
  encodeRedeem,
  encodeRenew,
  InviteBook,
  type InviteRow,
  judgeAdmission,
  MemberBook,
  nextEpoch,
  nothingRevoked,
  parseAdmission,
  renew,
  RevocationBook,
  signRevocation,
  verifyRevocation,
} from "../../src/membership/mod.ts";
import { encodeCbor } from "../../src/wire/mod.ts";
import {
  alice,
  authority,
  bob,
  certificate,
  DAY,
  eve,
  flipBit,
  network,
  NOON,
  other,
  otherAuthority,
  random,
} from "./samples.ts";

const epoch = { epoch: 3, key: new Uint8Array(32).fill(3) };

function newAdmitter(changes: Partial<Admitter> = {}): Admitter {
  return {
    issuer: authority,
    network,
    name: "home",
    epoch,
    invites: new InviteBook(),
    members: new MemberBook(),
    revocations: new RevocationBook(network),
    ...changes,
  };
}

function invited(admitter: Admitter, uses: number | null = null): InviteRow {
  const order = { grants: ["rent", "provide"], uses, lifeMs: DAY } as const;
  return admitter.invites.make(order, random, NOON);
}

function question(invite: InviteRow): Uint8Array {
  return encodeRedeem(Uint8Array.fromHex(invite.secret));
}

function join(
  admitter: Admitter,
  invite: InviteRow,
  who = alice,
  nowMs = NOON,
): Admission | string {
  const request = { subject: who.id, question: question(invite), nowMs };
  const admitted = admit(admitter, request);
  if (!admitted.ok) return admitted.reason;
  const read = parseAdmission(admitted.value.answer, { network, subject: who.id, nowMs });
  return read.ok ? read.value : read.reason;
}

function removed(admitter: Admitter, who = alice, nowMs = NOON): void {
  const bytes = signRevocation({ by: authority, network, subject: who.id, nowMs });
  const result = verifyRevocation(bytes, { network, nowMs, isRevoked: nothingRevoked });
  if (result.ok) admitter.revocations.add(result.value);
}

Deno.test("who redeems an invite becomes a member with its grants, and learns name and epoch", () => {
  const admitter = newAdmitter();
  const joined = join(admitter, invited(admitter));
  if (typeof joined === "string") throw new Error(joined);
  deepStrictEqual([joined.name, joined.epoch], ["home", epoch]);
  const { subject, grants, epoch: number } = joined.certificate;
  deepStrictEqual([subject, grants, number], [alice.id, ["rent", "provide"], 3]);
});

Deno.test("the answer says which invite was counted", () => {
  const admitter = newAdmitter();
  const invite = invited(admitter, 1);
  const admitted = admit(admitter, { subject: bob.id, question: question(invite), nowMs: NOON });
  deepStrictEqual(admitted.ok && admitted.value.invite, admitter.invites.get(invite.id));
  strictEqual(admitter.invites.get(invite.id)?.redeemed, 1);
});

Deno.test("an invite that is unknown, used up, over or revoked admits nobody", () => {
  const admitter = newAdmitter();
  const single = invited(admitter, 1);
  join(admitter, single, bob);
  strictEqual(join(admitter, single), "invite-used-up");
  strictEqual(join(newAdmitter(), single), "invite-unknown");
  const invite = invited(admitter);
  strictEqual(join(admitter, invite, alice, NOON + 2 * DAY), "invite-expired");
  admitter.invites.revoke(invite.id, NOON);
  strictEqual(join(admitter, invite), "invite-revoked");
});

Deno.test("judging says by which invite somebody may come, and counts nothing", () => {
  const admitter = newAdmitter();
  const invite = invited(admitter, 1);
  const judge = (who = alice) =>
    judgeAdmission(admitter, { subject: who.id, question: question(invite), nowMs: NOON });
  for (const who of [alice, bob]) deepStrictEqual(judge(who), { ok: true, value: invite });
  strictEqual(admitter.invites.get(invite.id)?.redeemed, 0);
  join(admitter, invite, bob);
  deepStrictEqual(judge(alice), { ok: false, reason: "invite-used-up" });
  strictEqual(judge(bob).ok, true, "its answer may have been lost");
  removed(admitter, bob);
  deepStrictEqual(judge(bob), { ok: false, reason: "not-member" });
});

Deno.test("an answer whose epoch is not that of its certificate is refused", () => {
  const answer = (q: number) => encodeCbor({ c: certificate(), m: "home", q, k: epoch.key });
  const read = (q: number) =>
    parseAdmission(answer(q), { network, subject: alice.id, nowMs: NOON });
  strictEqual(read(1).ok, true);
  for (const q of [2, 4_000_000_000]) {
    deepStrictEqual(read(q), { ok: false, reason: "other-epoch" });
  }
});

Deno.test("a member's epoch never goes back, far ahead, or to another key", () => {
  const [key, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const next = (number: number, told = other) => {
    const after = nextEpoch({ epoch: 7, key }, { epoch: number, key: told });
    return after.ok ? after.value : after.reason;
  };
  deepStrictEqual(next(7, key.slice()), { epoch: 7, key });
  strictEqual(next(7), "other-key");
  for (const older of [1, 6]) deepStrictEqual(next(older), { epoch: 7, key });
  for (const later of [8, 525_607]) deepStrictEqual(next(later), { epoch: later, key: other });
  for (const far of [525_608, 0xffff_ffff]) strictEqual(next(far), "far-epoch");
});

Deno.test("nobody is renewed who came by an invite that was revoked since", () => {
  const admitter = newAdmitter();
  const [kept, revoked] = [invited(admitter), invited(admitter)];
  const entry = { node: alice.id, grants: [], admittedAtMs: NOON, expiresAtMs: NOON + DAY };
  const renewal = () => {
    const bytes = certificate({ subject: alice.id });
    const request = { subject: alice.id, question: encodeCbor({ c: bytes }), nowMs: NOON };
    const renewed = renew(admitter, request);
    return renewed.ok ? "renewed" : renewed.reason;
  };
  admitter.invites.revoke(revoked.id, NOON);
  strictEqual(renewal(), "renewed", "the book does not know it: another node admitted it");
  for (
    const [invite, expected] of [
      [revoked.id, "invite-revoked"],
      [kept.id, "renewed"],
      [null, "renewed"],
      ["0".repeat(16), "renewed"],
    ] as const
  ) {
    admitter.members.put({ ...entry, invite });
    strictEqual(renewal(), expected, `by ${invite}`);
  }
});

Deno.test("who was removed does not come back by an invite, and none is counted", () => {
  const admitter = newAdmitter();
  const invite = invited(admitter, 1);
  removed(admitter);
  strictEqual(join(admitter, invite), "not-member");
  strictEqual(admitter.invites.get(invite.id)?.redeemed, 0);
  strictEqual(typeof join(admitter, invite, bob), "object");
});

Deno.test("questions in another form are malformed", () => {
  const admitter = newAdmitter();
  const bad = [
    new Uint8Array(),
    encodeCbor([]),
    encodeCbor({}),
    encodeCbor({ s: "secret" }),
    encodeCbor({ s: new Uint8Array(31) }),
    encodeCbor({ c: "certificate" }),
    encodeCbor({ s: new Uint8Array(32), c: new Uint8Array(900) }),
  ];
  for (const bytes of bad) {
    const request = { subject: alice.id, question: bytes, nowMs: NOON };
    deepStrictEqual(admit(admitter, request), { ok: false, reason: "malformed" });
    deepStrictEqual(renew(admitter, request), { ok: false, reason: "malformed" });
  }
});

Deno.test("a member renews with the grants that it has, also into a new epoch", () => {
  const admitter = newAdmitter();
  const joined = join(admitter, invited(admitter));
  if (typeof joined === "string") throw new Error(joined);
  const later = NOON + 16 * DAY;
  const next = { ...admitter, epoch: { epoch: 4, key: new Uint8Array(32).fill(4) } };
  const request = { subject: alice.id, question: encodeRenew(joined.certificate), nowMs: later };
  const answer = renew(next, request);
  const read = parseAdmission(answer.ok ? answer.value : new Uint8Array(), {
    network,
    subject: alice.id,
    nowMs: later,
  });
  if (!read.ok) throw new Error(read.reason);
  deepStrictEqual(read.value.epoch, next.epoch);
  deepStrictEqual(read.value.certificate.grants, ["rent", "provide"]);
  strictEqual(read.value.certificate.notAfterMs, later + 30 * DAY);
});

Deno.test("nobody renews another's certificate, one that is over, or one that was revoked", () => {
  const admitter = newAdmitter();
  const joined = join(admitter, invited(admitter));
  if (typeof joined === "string") throw new Error(joined);
  const request = { subject: alice.id, question: encodeRenew(joined.certificate), nowMs: NOON };
  const reasonOf = (changes: Partial<typeof request>) => {
    const result = renew(admitter, { ...request, ...changes });
    return result.ok ? "renewed" : result.reason;
  };
  strictEqual(reasonOf({ subject: eve.id }), "other-subject");
  strictEqual(reasonOf({ nowMs: NOON + 31 * DAY }), "expired");
  removed(admitter);
  strictEqual(reasonOf({}), "revoked");
});

Deno.test("a joiner believes no answer but one that the network signed for it", () => {
  const impostor = newAdmitter({ issuer: otherAuthority, network: other.network });
  const invite = invited(impostor);
  const request = { subject: alice.id, question: question(invite), nowMs: NOON };
  const admitted = admit(impostor, request);
  const bytes = admitted.ok ? admitted.value.answer : new Uint8Array();
  const checks = { network, subject: alice.id, nowMs: NOON };
  deepStrictEqual(parseAdmission(bytes, checks), { ok: false, reason: "foreign-network" });
  const forBob = encodeCbor({ c: certificate({ subject: bob.id }), m: "home", q: 1, k: epoch.key });
  deepStrictEqual(parseAdmission(forBob, checks), { ok: false, reason: "other-subject" });
});

Deno.test("a delegated admitter admits in its own name", () => {
  const delegation = certificate({ subject: bob.id, grants: ["rent", "provide", "admit"] });
  const admitter = newAdmitter({ issuer: bob, delegation });
  const joined = join(admitter, invited(admitter));
  strictEqual(typeof joined === "object" && joined.certificate.issuer, bob.id);
});

Deno.test("parseAdmission() never throws", () => {
  const admitter = newAdmitter();
  const request = { subject: alice.id, question: question(invited(admitter)), nowMs: NOON };
  const admitted = admit(admitter, request);
  const answer = admitted.ok ? admitted.value.answer : new Uint8Array();
  const checks = { network, subject: alice.id, nowMs: NOON };
  const flipped = fc.nat(answer.length * 8 - 1).map((bit) => flipBit(answer, bit));
  const junk = fc.uint8Array({ maxLength: 800 });
  fc.assert(fc.property(fc.oneof(flipped, junk), (bytes) => {
    const read = parseAdmission(bytes, checks);
    strictEqual(read.ok ? read.value.certificate.subject : alice.id, alice.id);
  }));
});
