import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  type Claim,
  encodeShown,
  type Grant,
  GRANTS,
  type IsRevoked,
  type Member,
  nothingRevoked,
  parseShown,
  peerVerifier,
  reasonToLeave,
  SHOWN_BYTES_MAX,
  verifyCertificate,
} from "../../src/membership/mod.ts";
import { PAYLOAD_SHOWN_BYTES_MAX, type VerifyPeer } from "../../src/session/mod.ts";
import { encodeCbor } from "../../src/wire/mod.ts";
import {
  alice,
  bob,
  certificate,
  DAY,
  eve,
  network,
  NOON,
  other,
  otherAuthority,
} from "./samples.ts";

const shown = encodeShown({ certificate: certificate(), alias: "alice" });
const claim: Claim = { network, kind: "epoch", node: alice.id, initiator: true, payload: shown };

function judged(
  changes: Partial<Claim>,
  at: { nowMs?: number; isRevoked?: IsRevoked } = {},
): Member | string {
  const { nowMs = NOON, isRevoked = nothingRevoked } = at;
  const verify = peerVerifier({
    revocationsOf: (id) => id === network ? isRevoked : undefined,
    nowMs: () => nowMs,
  });
  const result = verify({ ...claim, ...changes });
  return result.ok ? result.value : result.reason;
}

Deno.test("a member is let in with the grants of its certificate", () => {
  const verified = verifyCertificate(certificate(), {
    network,
    nowMs: NOON,
    isRevoked: nothingRevoked,
  });
  for (const initiator of [true, false]) {
    deepStrictEqual(judged({ initiator }), {
      network,
      node: alice.id,
      kind: "epoch",
      alias: "alice",
      grants: ["rent", "provide"],
      certificate: verified.ok ? verified.value : "?",
    });
  }
});

Deno.test("the judge has the shape that the session machine takes, and what is shown fits there", () => {
  const verify: VerifyPeer<Member> = peerVerifier({
    revocationsOf: () => nothingRevoked,
    nowMs: () => NOON,
  });
  strictEqual(verify(claim).ok, true);
  strictEqual(SHOWN_BYTES_MAX <= PAYLOAD_SHOWN_BYTES_MAX, true);
});

Deno.test("a peer that shows another's certificate, none, or one that does not hold is kept out", () => {
  strictEqual(judged({ node: eve.id }), "other-subject");
  strictEqual(judged({ payload: new Uint8Array() }), "no-certificate");
  strictEqual(
    judged({ payload: encodeShown({ certificate: null, alias: "x" }) }),
    "no-certificate",
  );
  strictEqual(judged({}, { nowMs: NOON + 31 * DAY }), "expired");
  strictEqual(judged({}, { isRevoked: () => true }), "revoked");
  const foreign = certificate({ issuer: otherAuthority, network: other.network });
  const payload = encodeShown({ certificate: foreign, alias: null });
  strictEqual(judged({ payload }), "foreign-network");
  strictEqual(judged({ network: other.network, payload }), "foreign-network");
});

Deno.test("who comes by an invite has no grants, whatever it shows", () => {
  const joiner = { kind: "invite", initiator: false, node: bob.id } as const;
  const none = { network, node: bob.id, kind: "invite", grants: [], certificate: null };
  deepStrictEqual(judged({ ...joiner, payload: new Uint8Array() }), { ...none, alias: null });
  deepStrictEqual(judged(joiner), { ...none, alias: "alice" });
  strictEqual(judged({ ...joiner, payload: Uint8Array.of(1) }), "malformed");
  strictEqual(judged({ ...joiner, network: other.network }), "foreign-network");
});

Deno.test("the admitter that a joiner meets must show that it is a member who may admit", () => {
  const admitter = { kind: "invite", initiator: true } as const;
  const shows = (grants: readonly Grant[]) => {
    return { payload: encodeShown({ certificate: certificate({ grants }), alias: null }) };
  };
  for (const grants of [["admit"], GRANTS] as const) {
    strictEqual(typeof judged({ ...admitter, ...shows(grants) }), "object");
  }
  strictEqual(judged(admitter), "no-admitter");
  strictEqual(judged({ ...admitter, ...shows(["rent", "provide", "relay"]) }), "no-admitter");
  strictEqual(judged({ ...admitter, payload: new Uint8Array() }), "no-certificate");
});

Deno.test("a member whose certificate expires or is revoked may not stay, a joiner may", () => {
  const member = judged({});
  if (typeof member === "string") throw new Error(member);
  const isRevoked = nothingRevoked;
  strictEqual(reasonToLeave(member, { nowMs: NOON, isRevoked }), undefined);
  strictEqual(reasonToLeave(member, { nowMs: NOON + 31 * DAY, isRevoked }), "expired");
  strictEqual(reasonToLeave(member, { nowMs: NOON, isRevoked: () => true }), "revoked");
  const joiner: Member = { ...member, kind: "invite", grants: [], certificate: null };
  strictEqual(reasonToLeave(joiner, { nowMs: NOON + 99 * DAY, isRevoked: () => true }), undefined);
});

Deno.test("who was admitted by an admitter leaves when that one is revoked", () => {
  const delegation = certificate({ subject: bob.id, grants: ["rent", "admit"] });
  const byBob = certificate({ issuer: bob, delegation, grants: ["rent"] });
  const member = judged({ payload: encodeShown({ certificate: byBob, alias: null }) });
  if (typeof member === "string") throw new Error(member);
  const isRevoked: IsRevoked = ({ subject }) => subject === bob.id;
  strictEqual(reasonToLeave(member, { nowMs: NOON, isRevoked }), "revoked");
});

Deno.test("what is shown is read back, nothing shown too, and fields of a later version pass", () => {
  for (const bytes of [certificate(), null]) {
    for (const alias of ["alice", null]) {
      const value = { certificate: bytes, alias };
      deepStrictEqual(parseShown(encodeShown(value)), { ok: true, value });
    }
  }
  const nothing = { ok: true, value: { certificate: null, alias: null } };
  deepStrictEqual(parseShown(new Uint8Array()), nothing);
  deepStrictEqual(parseShown(encodeCbor({ zz: 1 })), nothing);
});

Deno.test("what is shown in another form is malformed", () => {
  const bad = [
    encodeCbor([]),
    encodeCbor({ c: "certificate" }),
    encodeCbor({ c: new Uint8Array() }),
    encodeCbor({ c: new Uint8Array(601) }),
    encodeCbor({ l: "Alice!" }),
    encodeCbor({ l: null }),
    encodeCbor({ zz: new Uint8Array(SHOWN_BYTES_MAX) }),
    shown.slice(0, -1),
    Uint8Array.of(...shown, 0),
  ];
  for (const payload of bad) {
    deepStrictEqual(parseShown(payload), { ok: false, reason: "malformed" });
  }
});

Deno.test("judging never throws, and its reasons are words that can be told to a peer", () => {
  const kinds = fc.constantFrom("epoch" as const, "invite" as const);
  const payloads = fc.oneof(
    fc.uint8Array({ maxLength: 700 }),
    fc.tuple(fc.nat(shown.length - 1), fc.nat(255)).map(([at, byte]) => shown.with(at, byte)),
  );
  fc.assert(fc.property(kinds, fc.boolean(), payloads, (kind, initiator, payload) => {
    const result = judged({ kind, initiator, payload });
    if (typeof result === "string") match(result, /^[a-z-]{1,32}$/);
    else if (kind === "epoch" || initiator) strictEqual(result.certificate?.subject, alice.id);
  }));
});
