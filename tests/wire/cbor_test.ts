/** The CBOR profile: RFC 8949's examples, one encoding per value, and hostile bytes. */
import assert from "node:assert/strict";
import { Encoder } from "cbor-x/encode";
import fc from "fast-check";
import { type CborValue, decodeCbor, encodeCbor } from "../../src/wire/mod.ts";

const hex = (text: string) => Uint8Array.fromHex(text);
const decode = (text: string) => decodeCbor(hex(text), { bytesMax: 4096 });

/** RFC 8949 appendix A, the rows that the profile has. */
const EXAMPLES: readonly (readonly [CborValue, string])[] = [
  [0, "00"],
  [1, "01"],
  [10, "0a"],
  [23, "17"],
  [24, "1818"],
  [25, "1819"],
  [100, "1864"],
  [1000, "1903e8"],
  [1000000, "1a000f4240"],
  [1000000000000, "1b000000e8d4a51000"],
  [-1, "20"],
  [-10, "29"],
  [-100, "3863"],
  [-1000, "3903e7"],
  [false, "f4"],
  [true, "f5"],
  [null, "f6"],
  [new Uint8Array(), "40"],
  [hex("01020304"), "4401020304"],
  ["", "60"],
  ["a", "6161"],
  ["IETF", "6449455446"],
  ['"\\', "62225c"],
  ["ü", "62c3bc"],
  ["水", "63e6b0b4"],
  ["\u{10151}", "64f0908591"],
  [[], "80"],
  [[1, 2, 3], "83010203"],
  [[1, [2, 3], [4, 5]], "8301820203820405"],
  [{}, "a0"],
  [{ a: 1, b: [2, 3] }, "a26161016162820203"],
  [["a", { b: "c" }], "826161a161626163"],
  [
    { a: "A", b: "B", c: "C", d: "D", e: "E" },
    "a56161614161626142616361436164614461656145",
  ],
];

Deno.test("encodeCbor() and decodeCbor() agree with RFC 8949 appendix A", () => {
  for (const [value, encoded] of EXAMPLES) {
    assert.equal(encodeCbor(value).toHex(), encoded);
    assert.deepEqual(decode(encoded), { ok: true, value });
  }
});

Deno.test("encodeCbor() sorts keys by their encoding, the shorter first", () => {
  const sorted = "a4" + "616101" + "616202" + "62616103" + "63616161" + "04";
  assert.equal(encodeCbor({ aaa: 4, b: 2, aa: 3, a: 1 }).toHex(), sorted);
});

Deno.test("encodeCbor() throws on what is not of the profile", () => {
  const wrong: unknown[] = [1.5, NaN, 2 ** 53, undefined, 1n, "\ud800", [undefined], () => 0];
  for (const value of wrong) assert.throws(() => encodeCbor(value as CborValue), TypeError);
  assert.throws(() => encodeCbor(JSON.parse('{"__proto__": 1}')), TypeError);
});

/** Each is well-formed CBOR, or nearly, that the profile has no place for. */
const REFUSED: readonly (readonly [string, string, string])[] = [
  ["an empty input", "", "truncated"],
  ["a long head for a small number", "1817", "not-canonical"],
  ["two bytes for one", "190018", "not-canonical"],
  ["four bytes for two", "1a00000100", "not-canonical"],
  ["eight bytes for four", "1b0000000000010000", "not-canonical"],
  ["a long length", "580101", "not-canonical"],
  ["2^53", "1b0020000000000000", "out-of-range"],
  ["-2^53", "3b001fffffffffffff", "out-of-range"],
  ["2^64 - 1", "1bffffffffffffffff", "out-of-range"],
  ["a float", "fb3ff199999999999a", "unsupported"],
  ["a half float", "f90000", "unsupported"],
  ["undefined", "f7", "unsupported"],
  ["a simple value", "f0", "unsupported"],
  ["a tag", "c074323031332d30332d32315432303a30343a30305a", "unsupported"],
  ["an indefinite array", "9fff", "unsupported"],
  ["an indefinite text", "7f6161ff", "unsupported"],
  ["a lone break", "ff", "unsupported"],
  ["a reserved length", "1c", "unsupported"],
  ["a key that is a number", "a10102", "bad-key"],
  ["a doubled key", "a2616101616102", "not-canonical"],
  ["unsorted keys", "a2616201616102", "not-canonical"],
  ["the key __proto__", "a1695f5f70726f746f5f5f01", "bad-key"],
  ["ill-formed UTF-8", "62c328", "bad-text"],
  ["a surrogate in UTF-8", "63eda080", "bad-text"],
  ["bytes after the value", "0000", "trailing"],
  ["a cut text", "6261", "truncated"],
  ["a cut head", "19", "truncated"],
  ["a huge array", "9b0000000fffffffff", "truncated"],
  ["a huge map", "bb0000000fffffffff", "truncated"],
  ["a huge byte string", "5b0000000fffffffff", "truncated"],
  ["17 nested arrays", "81".repeat(17) + "00", "too-deep"],
];

for (const [name, encoded, reason] of REFUSED) {
  Deno.test(`decodeCbor() refuses ${name}`, () => {
    assert.deepEqual(decode(encoded), { ok: false, reason });
  });
}

Deno.test("decodeCbor() takes as much nesting as encodeCbor() gives", () => {
  let value: CborValue = 0;
  for (let i = 0; i < 16; i++) value = [value];
  assert.deepEqual(decodeCbor(encodeCbor(value), { bytesMax: 100 }), { ok: true, value });
  assert.throws(() => encodeCbor([value]), TypeError);
});

Deno.test("decodeCbor() looks at nothing that is longer than the limit", () => {
  assert.deepEqual(decodeCbor(hex("8401020304"), { bytesMax: 4 }), {
    ok: false,
    reason: "too-long",
  });
});

Deno.test("decodeCbor() shares no memory with its input", () => {
  const input = hex("43010203");
  const decoded = decodeCbor(input, { bytesMax: 4 });
  input.fill(0);
  assert.deepEqual(decoded, { ok: true, value: hex("010203") });
});

const text = fc.string({ unit: "grapheme" });
const { value: anyValue } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((n) => n + 0),
    text,
    fc.uint8Array(),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(text.filter((key) => key !== "__proto__"), tie("value"), {
      maxKeys: 5,
      noNullPrototype: true,
    }),
  ),
}));

Deno.test("decodeCbor() reverses encodeCbor()", () => {
  fc.assert(fc.property(anyValue, (value) => {
    assert.deepEqual(decodeCbor(encodeCbor(value), { bytesMax: 1e6 }), { ok: true, value });
  }));
});

Deno.test("decodeCbor() accepts only what encodeCbor() makes, and never throws", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const decoded = decodeCbor(bytes, { bytesMax: 64 });
      if (decoded.ok) assert.deepEqual(encodeCbor(decoded.value), bytes);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("decodeCbor() accepts only canonical bytes among near misses", () => {
  const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
  fc.assert(
    fc.property(anyValue, change, (value, { at, to }) => {
      const bytes = encodeCbor(value);
      bytes[at % bytes.length] = to;
      const decoded = decodeCbor(bytes, { bytesMax: 1e6 });
      if (decoded.ok) assert.deepEqual(encodeCbor(decoded.value), bytes);
    }),
    { numRuns: 1000 },
  );
});

/**
 * The oracle: cbor-x, by `cbor-x/encode`, which is plain JavaScript and loads no native extension. It takes
 * all of CBOR and writes what is quick, so it agrees with a strict profile in one way only: what both read,
 * both read alike.
 */
const oracle = new Encoder({ useRecords: false, mapsAsObjects: true, tagUint8Array: false });

/** What the oracle read, in our profile's types. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

Deno.test("the oracle reads what encodeCbor() makes", () => {
  fc.assert(fc.property(anyValue, (value) => {
    assert.deepEqual(plain(oracle.decode(encodeCbor(value))), value);
  }));
});

Deno.test("whatever decodeCbor() accepts, the oracle reads alike", () => {
  const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
  fc.assert(
    fc.property(anyValue, change, (value, { at, to }) => {
      const bytes = encodeCbor(value);
      bytes[at % bytes.length] = to;
      const decoded = decodeCbor(bytes, { bytesMax: 1e6 });
      if (decoded.ok) assert.deepEqual(plain(oracle.decode(bytes)), decoded.value);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("decodeCbor() reads what the oracle makes, or refuses it as too long or foreign", () => {
  let read = 0;
  fc.assert(fc.property(anyValue, (value) => {
    const decoded = decodeCbor(new Uint8Array(oracle.encode(value)), { bytesMax: 1e6 });
    if (decoded.ok) {
      read++;
      return assert.deepEqual(decoded.value, value);
    }
    assert.ok(["not-canonical", "unsupported"].includes(decoded.reason), decoded.reason);
  }));
  assert.ok(read > 0, "it reads nothing of it");
});

Deno.test("decodeCbor() reads all that the oracle makes of small integers, texts and bytes", () => {
  const small = fc.integer({ min: -(2 ** 31), max: 2 ** 31 });
  const leaf = fc.oneof(small, text, fc.uint8Array(), fc.boolean(), fc.constant(null));
  fc.assert(fc.property(fc.array(leaf, { maxLength: 30 }), (value) => {
    const decoded = decodeCbor(new Uint8Array(oracle.encode(value)), { bytesMax: 1e6 });
    assert.deepEqual(decoded, { ok: true, value });
  }));
});
