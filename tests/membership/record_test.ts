import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import type { Identity } from "../../src/crypto/mod.ts";
import {
  type NodeFacts,
  type NodeRecord,
  RECORD_LIMITS,
  type RecordReason,
  signRecord,
  verifyRecord,
} from "../../src/membership/mod.ts";
import {
  type CborMap,
  type CborValue,
  decodeCbor,
  decodeCborMap,
  encodeCbor,
} from "../../src/wire/mod.ts";
import { alice, bob, DAY, eve, facts, flipBit, MINUTE, network, NOON, other } from "./samples.ts";

const checks = { network, nowMs: NOON };
const bytes = signRecord(alice, facts);

function verified(record: Uint8Array): NodeRecord {
  const result = verifyRecord(record, checks);
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

function refused(record: Uint8Array, nowMs = NOON): RecordReason {
  const result = verifyRecord(record, { network, nowMs });
  if (result.ok) throw new Error("it was accepted");
  return result.reason;
}

function bodyOf(record: Uint8Array): CborMap {
  const outer = decodeCbor(record, { bytesMax: 2_000 });
  const body = outer.ok && Array.isArray(outer.value) ? outer.value[0] : undefined;
  const map = decodeCborMap(body as Uint8Array, { bytesMax: 2_000 });
  if (!map.ok) throw new Error(map.reason);
  return map.value;
}

/** Alice's record with its body changed, signed by `signer`. */
function resigned(changes: Record<string, CborValue>, without = "", signer = alice): Uint8Array {
  const map: Record<string, CborValue> = { ...bodyOf(bytes), ...changes };
  delete map[without];
  const body = encodeCbor(map);
  return encodeCbor([body, signer.sign("record", body)]);
}

Deno.test("a record says what its node says of itself", () => {
  deepStrictEqual(verified(bytes), { ...facts, id: alice.id, bytes });
});

Deno.test("a record without anything optional is one too", () => {
  const bare = { ...facts, alias: null, roles: [], addresses: [], relays: [], capabilities: {} };
  const record = signRecord(alice, bare);
  deepStrictEqual(verified(record), { ...bare, id: alice.id, bytes: record });
});

Deno.test("a usual record is below 350 bytes, a full one fits in a datagram", () => {
  strictEqual(bytes.length < 350, true, String(bytes.length));
  const addresses = Array.from({ length: 8 }, (_, i) => `[2001:db8:1:2:3:4:5:${i + 1}]:65535`);
  const relay = { id: bob.id, addresses: addresses.slice(0, 4) };
  const full = { ...facts, addresses, relays: [relay, relay, relay] };
  strictEqual(signRecord(alice, full).length <= 800, true);
});

Deno.test("a member cannot speak for another", () => {
  strictEqual(refused(resigned({}, "", eve)), "bad-signature");
  strictEqual(refused(resigned({ i: bob.publicKey })), "bad-signature");
});

Deno.test("a signature of another kind is worthless as a record", () => {
  const body = encodeCbor(bodyOf(bytes));
  strictEqual(refused(encodeCbor([body, alice.sign("static-key", body)])), "bad-signature");
});

Deno.test("a record of another network is refused", () => {
  strictEqual(refused(signRecord(alice, { ...facts, network: other.network })), "foreign-network");
});

Deno.test("a record counts from its publication to its end, with ten minutes for wrong clocks", () => {
  const end = facts.expiresAtMs;
  strictEqual(verifyRecord(bytes, { network, nowMs: NOON - 10 * MINUTE }).ok, true);
  strictEqual(refused(bytes, NOON - 10 * MINUTE - 1), "not-yet-valid");
  strictEqual(verifyRecord(bytes, { network, nowMs: end + 10 * MINUTE }).ok, true);
  strictEqual(refused(bytes, end + 10 * MINUTE + 1), "expired");
});

const V4 = Uint8Array.of(192, 0, 2, 1, 35, 40);
const MAPPED = Uint8Array.from([...new Uint8Array(10), 255, 255, 192, 0, 2, 1, 35, 40]);

Deno.test("fields that are missing, of another type or out of range refuse a record", () => {
  const seconds = Math.floor(NOON / 1_000);
  const many = (count: number, value: CborValue) => Array.from({ length: count }, () => value);
  const keys = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${i}`, i]));
  const changes: Record<string, CborValue>[] = [
    { n: "home" },
    { i: new Uint8Array(31) },
    { q: 0 },
    { q: "7" },
    { t: -1 },
    { e: seconds },
    { e: seconds - 1 },
    { e: seconds + RECORD_LIMITS.lifeMsMax / 1_000 + 1 },
    { l: "" },
    { l: "Alice" },
    { l: "a\u001b[31m" },
    { l: "a".repeat(33) },
    { l: null },
    { o: 4 },
    { o: -1 },
    { x: new Uint8Array(33) },
    { a: null },
    { a: many(9, V4) },
    { a: ["192.0.2.1:9000"] },
    { a: [V4.slice(1)] },
    { a: [Uint8Array.of(...V4, 0)] },
    { a: [MAPPED] },
    { a: [Uint8Array.of(192, 0, 2, 1, 0, 0)] },
    { a: [Uint8Array.of(0, 0, 0, 0, 35, 40)] },
    { a: [Uint8Array.of(224, 0, 0, 1, 35, 40)] },
    { a: [Uint8Array.of(255, 255, 255, 255, 35, 40)] },
    { a: [new Uint8Array(18)] },
    { r: many(4, [bob.publicKey, [V4]]) },
    { r: [[bob.publicKey]] },
    { r: [[bob.publicKey, [V4], 1]] },
    { r: [[bob.id, [V4]]] },
    { r: [[bob.publicKey, many(5, V4)]] },
    { r: [[bob.publicKey, V4]] },
    { c: [] },
    { c: keys(17) },
    { c: { "Cpu": 1 } },
    { c: { "": 1 } },
    { c: { ["a".repeat(33)]: 1 } },
    { c: { cpu: -1 } },
    { c: { cpu: null } },
    { c: { cpu: [1] } },
    { c: { cpu: { of: 1 } } },
    { c: { image: "a b" } },
    { c: { image: "\u001b]0;x\u0007" } },
    { c: { image: "a\n" } },
    { c: { image: "x".repeat(65) } },
  ];
  strictEqual(verified(resigned({ a: [V4], c: keys(16) })).addresses[0], "192.0.2.1:9000");
  for (const change of changes) {
    strictEqual(refused(resigned(change)), "malformed", JSON.stringify(change));
  }
  for (const name of ["n", "i", "q", "t", "e", "o", "x", "a", "r", "c"]) {
    strictEqual(refused(resigned({}, name)), "malformed", `without ${name}`);
  }
});

Deno.test("a field of a later version is let pass, and handed on as received", () => {
  const record = resigned({ zz: "later" });
  deepStrictEqual(verified(record), { ...facts, id: alice.id, bytes: record });
});

Deno.test("a record of more than 1 KiB is refused, unread", () => {
  const large = resigned({ zz: new Uint8Array(RECORD_LIMITS.bytesMax) });
  strictEqual(refused(large), "malformed");
});

Deno.test("signRecord() refuses to sign what nobody would take", () => {
  const bad: readonly Partial<NodeFacts>[] = [
    { seq: 0 },
    { seq: 1.5 },
    { alias: "Not an alias" },
    { addresses: ["nowhere"] },
    { addresses: ["0.0.0.0:1"] },
    { addresses: ["192.0.2.1:0"] },
    { addresses: Array.from({ length: 9 }, () => "192.0.2.1:1") },
    { expiresAtMs: NOON },
    { expiresAtMs: NOON + DAY + 1_000 },
    { capabilities: { "not a name": 1 } },
    { capabilities: { cpu: 0.5 } },
    { staticKey: new Uint8Array(3) },
  ];
  for (const change of bad) throws(() => signRecord(alice, { ...facts, ...change }), TypeError);
});

Deno.test("a flipped bit anywhere in a record is refused", () => {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    strictEqual(verifyRecord(flipBit(bytes, bit), checks).ok, false, `bit ${bit}`);
  }
});

const anyFacts: fc.Arbitrary<Partial<NodeFacts>> = fc.record({
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  alias: fc.option(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/), { nil: null }),
  roles: fc.subarray(["relay", "provider"] as const),
  addresses: fc.array(
    fc.tuple(fc.integer({ min: 1, max: 223 }), fc.integer({ min: 1, max: 65_535 })).map((
      [a, port],
    ) => `${a}.2.3.4:${port}`),
    { maxLength: 8 },
  ),
  capabilities: fc.dictionary(
    fc.stringMatching(/^[a-z][A-Za-z0-9]{0,12}$/),
    fc.oneof(
      fc.boolean(),
      fc.nat(),
      fc.stringMatching(/^[A-Za-z0-9._:+-]{0,20}$/),
    ),
    { maxKeys: 10, noNullPrototype: true },
  ),
}, { noNullPrototype: true });

Deno.test("whatever a node may say of itself round-trips", () => {
  fc.assert(fc.property(anyFacts, (some) => {
    const said = { ...facts, ...some };
    const record = signRecord(alice, said);
    deepStrictEqual(verified(record), { ...said, id: alice.id, bytes: record });
  }));
});

Deno.test("verifyRecord() never throws, whatever it is given", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1_100 }), (junk) => {
    strictEqual(refused(junk), "malformed");
  }));
  const scalar = fc.oneof(fc.integer(), fc.uint8Array({ maxLength: 20 }), fc.constant(null));
  const value = fc.oneof(scalar, fc.array(fc.oneof(scalar, fc.array(scalar))));
  const name = fc.constantFrom("n", "i", "q", "t", "e", "l", "o", "x", "a", "r", "c");
  const signer = fc.constantFrom<Identity>(alice, bob);
  fc.assert(fc.property(name, value, signer, (field, junk, by) => {
    verifyRecord(resigned({ [field]: junk }, "", by), checks);
  }));
});
