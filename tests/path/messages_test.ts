import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodePing,
  encodePong,
  NONCE_BYTES,
  parseProbe,
  PING,
  PING_BYTES,
  PONG,
} from "../../src/path/messages.ts";

const MALFORMED = { ok: false, reason: "malformed-probe" };
const nonce = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const nonces = fc.uint8Array({ minLength: NONCE_BYTES, maxLength: NONCE_BYTES });
const LONGEST = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";

Deno.test("a ping is read back with its nonce", () => {
  assert.deepEqual(parseProbe(encodePing(nonce)), { ok: true, value: { type: "ping", nonce } });
});

Deno.test("a pong is read back with the address that it tells, or none on a relayed path", () => {
  for (const observed of ["192.0.2.1:9000", LONGEST, null]) {
    const expected = { ok: true, value: { type: "pong", nonce, observed } };
    assert.deepEqual(parseProbe(encodePong(nonce, observed)), expected);
  }
});

Deno.test("a pong is never larger than the ping that it answers", () => {
  fc.assert(fc.property(nonces, fc.option(fc.string({ unit: "grapheme" })), (nonce, observed) => {
    assert.ok(encodePong(nonce, observed).length <= encodePing(nonce).length);
  }));
});

Deno.test("parseProbe() never throws, and what it takes was long enough", () => {
  const kinds = fc.constantFrom(PING, PONG, 0, 3, 255);
  fc.assert(fc.property(kinds, fc.uint8Array({ maxLength: 100 }), (kind, rest) => {
    const bytes = Uint8Array.of(kind, ...rest);
    const probe = parseProbe(bytes);
    if (!probe.ok) return assert.deepEqual(probe, MALFORMED);
    assert.equal(probe.value.nonce.length, NONCE_BYTES);
    if (probe.value.type === "ping") assert.ok(bytes.length >= PING_BYTES);
  }));
});

const REFUSED: readonly (readonly [string, Uint8Array])[] = [
  ["nothing", new Uint8Array()],
  ["a ping one byte short", encodePing(nonce).subarray(0, PING_BYTES - 1)],
  ["a pong that ends in its nonce", encodePong(nonce, null).subarray(0, NONCE_BYTES)],
  ["a pong without a length", encodePong(nonce, null).subarray(0, NONCE_BYTES + 1)],
  ["a pong that ends in its address", encodePong(nonce, "192.0.2.1:9").subarray(0, 15)],
  ["another kind", encodePing(nonce).fill(3, 0, 1)],
];

for (const [what, bytes] of REFUSED) {
  Deno.test(`parseProbe() refuses ${what}`, () => assert.deepEqual(parseProbe(bytes), MALFORMED));
}

Deno.test("parseProbe() keeps a copy of the nonce", () => {
  const bytes = encodePing(nonce);
  const probe = parseProbe(bytes);
  bytes.fill(0);
  assert.ok(probe.ok);
  assert.deepEqual(probe.value.nonce, nonce);
});
