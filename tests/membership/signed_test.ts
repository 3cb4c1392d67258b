import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { isSignedBy, openEnvelope, signMap } from "../../src/membership/signed.ts";
import { encodeCbor } from "../../src/wire/mod.ts";
import { alice, eve, flipBit } from "./samples.ts";

const LIMIT = 300;
const signed = signMap(alice, "test", { a: 1, b: "two" });

Deno.test("a signed map opens to what was signed, and knows its signer and kind", () => {
  const opened = openEnvelope(signed, LIMIT);
  if (!opened.ok) throw new Error(opened.reason);
  deepStrictEqual(opened.value.map, { a: 1, b: "two" });
  strictEqual(isSignedBy(opened.value, alice.publicKey, "test"), true);
  strictEqual(isSignedBy(opened.value, eve.publicKey, "test"), false);
  strictEqual(isSignedBy(opened.value, alice.publicKey, "record"), false);
});

Deno.test("an envelope in any other form is malformed", () => {
  const body = encodeCbor({ a: 1 });
  const signature = alice.sign("test", body);
  const bad = [
    new Uint8Array(),
    encodeCbor({ body, signature }),
    encodeCbor([]),
    encodeCbor([body]),
    encodeCbor([body, signature, 0]),
    encodeCbor([body, signature.slice(1)]),
    encodeCbor([{ a: 1 }, signature]),
    encodeCbor([body, "signature"]),
    encodeCbor([encodeCbor([1]), signature]),
    encodeCbor([body.slice(0, -1), signature]),
    encodeCbor([Uint8Array.of(...body, 0), signature]),
    Uint8Array.of(...encodeCbor([body, signature]), 0),
  ];
  for (const bytes of bad) {
    deepStrictEqual(openEnvelope(bytes, LIMIT), { ok: false, reason: "malformed" });
  }
  strictEqual(openEnvelope(encodeCbor([body, signature]), LIMIT).ok, true);
  strictEqual(openEnvelope(signed, signed.length).ok, true);
  strictEqual(openEnvelope(signed, signed.length - 1).ok, false);
});

Deno.test("what is opened shares no memory with what came in", () => {
  const bytes = signed.slice();
  const opened = openEnvelope(bytes, LIMIT);
  bytes.fill(0);
  strictEqual(opened.ok && isSignedBy(opened.value, alice.publicKey, "test"), true);
});

Deno.test("no bit of a signed map can change unseen, and opening never throws", () => {
  fc.assert(fc.property(fc.nat(signed.length * 8 - 1), (bit) => {
    const opened = openEnvelope(flipBit(signed, bit), LIMIT);
    strictEqual(opened.ok && isSignedBy(opened.value, alice.publicKey, "test"), false);
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: LIMIT }), (bytes) => {
    strictEqual(openEnvelope(bytes, LIMIT).ok, false);
  }));
});
