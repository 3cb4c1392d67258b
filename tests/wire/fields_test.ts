import assert from "node:assert/strict";
import {
  type CborMap,
  decodeCborMap,
  encodeCbor,
  type Field,
  hasField,
  readArray,
  readBytes,
  readInteger,
  readMap,
  readOptional,
  readText,
  readTexts,
} from "../../src/wire/mod.ts";

const map: CborMap = {
  b: Uint8Array.of(1, 2),
  n: 5,
  t: "abc",
  f: false,
  a: [1, "x"],
  l: ["x", "yy"],
  m: { x: 1 },
};

const ok = (value: unknown) => ({ ok: true, value });
const bad = (reason: string) => ({ ok: false, reason });

const TABLE: readonly (readonly [string, Field<unknown>, unknown])[] = [
  ["readBytes of that length", readBytes(map, "b", 2), ok(map.b)],
  ["readBytes within a range", readBytes(map, "b", { min: 0, max: 2 }), ok(map.b)],
  ["readBytes of another length", readBytes(map, "b", 3), bad("bad:b")],
  ["readBytes of text", readBytes(map, "t", 3), bad("bad:t")],
  ["readBytes of nothing", readBytes(map, "z", 3), bad("missing:z")],
  ["readBytes of an inherited name", readBytes(map, "toString", 3), bad("missing:toString")],
  ["readInteger at the limit", readInteger(map, "n", { min: 5, max: 5 }), ok(5)],
  ["readInteger above", readInteger(map, "n", { min: 0, max: 4 }), bad("bad:n")],
  ["readInteger below", readInteger(map, "n", { min: 6, max: 9 }), bad("bad:n")],
  ["readText", readText(map, "t", { charsMax: 3 }), ok("abc")],
  ["readText too long", readText(map, "t", { charsMax: 2 }), bad("bad:t")],
  ["readText of a pattern", readText(map, "t", { charsMax: 3, pattern: /^x/ }), bad("bad:t")],
  ["readArray", readArray(map, "a", 2), ok([1, "x"])],
  ["readArray too long", readArray(map, "a", 1), bad("bad:a")],
  ["readTexts", readTexts(map, "l", { countMax: 2, charsMax: 2 }), ok(["x", "yy"])],
  ["readTexts of a long one", readTexts(map, "l", { countMax: 2, charsMax: 1 }), bad("bad:l")],
  ["readTexts of others", readTexts(map, "a", { countMax: 2, charsMax: 1 }), bad("bad:a")],
  ["readMap", readMap(map, "m"), ok({ x: 1 })],
  ["readMap of an array", readMap(map, "a"), bad("bad:a")],
  ["readOptional of nothing", readOptional(map, "z", readMap), ok(undefined)],
  ["readOptional of something", readOptional(map, "m", readMap), ok({ x: 1 })],
  ["readOptional of something bad", readOptional(map, "n", readMap), bad("bad:n")],
];

for (const [name, actual, expected] of TABLE) {
  Deno.test(`${name} gives ${JSON.stringify(expected)}`, () => assert.deepEqual(actual, expected));
}

Deno.test("decodeCborMap() takes a map and nothing else", () => {
  assert.deepEqual(decodeCborMap(encodeCbor(map), { bytesMax: 100 }), ok(map));
  for (const value of [[], null, 1, Uint8Array.of(1)]) {
    const decoded = decodeCborMap(encodeCbor(value), { bytesMax: 100 });
    assert.deepEqual(decoded, bad("not-a-map"));
  }
  assert.deepEqual(decodeCborMap(Uint8Array.of(0xa1), { bytesMax: 100 }), bad("truncated"));
});

Deno.test("hasField() looks at own fields only", () => {
  assert.ok(hasField(map, "b"));
  assert.ok(!hasField(map, "toString"));
});
