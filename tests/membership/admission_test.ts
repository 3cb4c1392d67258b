import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  type Admission,
  type AdmissionWord,
  admit,
  type Admitter,
  InviteBook,
  type InviteRow,
  judgeAdmission,
  MemberBook,
  nextEpoch,
  nothingRevoked,
  renew,
  RevocationBook,
  signRevocation,
  verifyAdmission,
  verifyRevocation,
} from "../../src/membership/mod.ts";
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

function secretOf(invite: InviteRow): Uint8Array {
  return Uint8Array.fromHex(invite.secret);
}

function join(
  admitter: Admitter,
  invite: InviteRow,
  who = alice,
  nowMs = NOON,
): Admission | string {
  const request = { subject: who.id, secret: secretOf(invite), nowMs };
  const admitted = admit(admitter, request);
  if (!admitted.ok) return admitted.reason;
  const read = verifyAdmission(admitted.value.word, { network, subject: who.id, nowMs });
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
  const admitted = admit(admitter, { subject: bob.id, secret: secretOf(invite), nowMs: NOON });
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
    judgeAdmission(admitter, { subject: who.id, secret: secretOf(invite), nowMs: NOON });
  for (const who of [alice, bob]) deepStrictEqual(judge(who), { ok: true, value: invite });
  strictEqual(admitter.invites.get(invite.id)?.redeemed, 0);
  join(admitter, invite, bob);
  deepStrictEqual(judge(alice), { ok: false, reason: "invite-used-up" });
  strictEqual(judge(bob).ok, true, "its answer may have been lost");
  removed(admitter, bob);
  deepStrictEqual(judge(bob), { ok: false, reason: "not-member" });
});

Deno.test("an answer whose epoch is not that of its certificate is refused", () => {
  const read = (number: number) => {
    const word = { certificate: certificate(), name: "home", epoch: { ...epoch, epoch: number } };
    return verifyAdmission(word, { network, subject: alice.id, nowMs: NOON });
  };
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
    const request = { subject: alice.id, certificate: bytes, nowMs: NOON };
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

Deno.test("a secret or a certificate of another form admits and renews nobody", () => {
  const admitter = newAdmitter();
  const asker = { subject: alice.id, nowMs: NOON };
  for (const bytes of [new Uint8Array(), new Uint8Array(31), new Uint8Array(900)]) {
    deepStrictEqual(admit(admitter, { ...asker, secret: bytes }), {
      ok: false,
      reason: "invite-unknown",
    });
    deepStrictEqual(renew(admitter, { ...asker, certificate: bytes }), {
      ok: false,
      reason: "malformed",
    });
  }
});

Deno.test("a word with a name that none may have is refused", () => {
  const word = { certificate: certificate(), epoch: { ...epoch, epoch: 1 } };
  const checks = { network, subject: alice.id, nowMs: NOON };
  for (const name of ["", "Home", "-home", "a b", "h".repeat(33)]) {
    deepStrictEqual(verifyAdmission({ ...word, name }, checks), { ok: false, reason: "malformed" });
  }
  strictEqual(verifyAdmission({ ...word, name: "home" }, checks).ok, true);
});

Deno.test("a member renews with the grants that it has, also into a new epoch", () => {
  const admitter = newAdmitter();
  const joined = join(admitter, invited(admitter));
  if (typeof joined === "string") throw new Error(joined);
  const later = NOON + 16 * DAY;
  const next = { ...admitter, epoch: { epoch: 4, key: new Uint8Array(32).fill(4) } };
  const request = { subject: alice.id, certificate: joined.certificate.bytes, nowMs: later };
  const word = renew(next, request);
  if (!word.ok) throw new Error(word.reason);
  const read = verifyAdmission(word.value, {
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
  const request = { subject: alice.id, certificate: joined.certificate.bytes, nowMs: NOON };
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
  const request = { subject: alice.id, secret: secretOf(invite), nowMs: NOON };
  const admitted = admit(impostor, request);
  if (!admitted.ok) throw new Error(admitted.reason);
  const { word } = admitted.value;
  const checks = { network, subject: alice.id, nowMs: NOON };
  deepStrictEqual(verifyAdmission(word, checks), { ok: false, reason: "foreign-network" });
  const forBob = { ...word, certificate: certificate({ subject: bob.id }) };
  deepStrictEqual(verifyAdmission(forBob, checks), { ok: false, reason: "other-subject" });
});

Deno.test("a delegated admitter admits in its own name", () => {
  const delegation = certificate({ subject: bob.id, grants: ["rent", "provide", "admit"] });
  const admitter = newAdmitter({ issuer: bob, delegation });
  const joined = join(admitter, invited(admitter));
  strictEqual(typeof joined === "object" && joined.certificate.issuer, bob.id);
});

Deno.test("verifyAdmission() never throws, and takes no certificate with a flipped bit", () => {
  const admitter = newAdmitter();
  const request = { subject: alice.id, secret: secretOf(invited(admitter)), nowMs: NOON };
  const admitted = admit(admitter, request);
  if (!admitted.ok) throw new Error(admitted.reason);
  const { word } = admitted.value;
  const checks = { network, subject: alice.id, nowMs: NOON };
  const { certificate: whole } = word;
  const flipped = fc.nat(whole.length * 8 - 1).map((bit) => flipBit(whole, bit));
  const junk = fc.uint8Array({ maxLength: 800 });
  const words: fc.Arbitrary<AdmissionWord> = fc.record({
    certificate: fc.oneof(flipped, junk),
    name: fc.oneof(fc.constant("home"), fc.string()),
    epoch: fc.record({ epoch: fc.double(), key: fc.uint8Array({ maxLength: 40 }) }),
  });
  fc.assert(fc.property(words, (bad) => {
    strictEqual(verifyAdmission(bad, checks).ok, false);
    strictEqual(verifyAdmission({ ...word, certificate: bad.certificate }, checks).ok, false);
  }));
});
