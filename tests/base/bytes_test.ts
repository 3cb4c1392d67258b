import assert from "node:assert/strict";
import fc from "fast-check";
import {
  concatBytes,
  equalBytes,
  fromBase32,
  fromHex,
  toBase32,
  toHex,
} from "../../src/base/mod.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const bytes = fc.uint8Array({ maxLength: 80 });

/** RFC 4648 §10, in lower case and without padding. */
const RFC_4648: readonly (readonly [string, string])[] = [
  ["", ""],
  ["f", "my"],
  ["fo", "mzxq"],
  ["foo", "mzxw6"],
  ["foob", "mzxw6yq"],
  ["fooba", "mzxw6ytb"],
  ["foobar", "mzxw6ytboi"],
];

for (const [text, encoded] of RFC_4648) {
  Deno.test(`RFC 4648: base32 of ${JSON.stringify(text)} is ${JSON.stringify(encoded)}`, () => {
    assert.equal(toBase32(utf8(text)), encoded);
    assert.deepEqual(fromBase32(encoded), utf8(text));
  });
}

Deno.test("bytes come back from base32 and from hex", () => {
  fc.assert(fc.property(bytes, (bytes) => {
    assert.deepEqual(fromBase32(toBase32(bytes)), bytes);
    assert.deepEqual(fromHex(toHex(bytes)), bytes);
  }));
});

Deno.test("each byte string has one base32 text: whatever is read is written the same", () => {
  const letters = fc.string({
    unit: fc.constantFrom(..."abyz237AB10=-\u00e4\u{1f4a5}"),
    maxLength: 20,
  });
  fc.assert(fc.property(letters, (text) => {
    const bytes = fromBase32(text);
    if (bytes !== undefined) assert.equal(toBase32(bytes), text);
  }));
});

for (const text of ["a", "mzx", "mzxw6z", "MY", "my======", "m y", "m1"]) {
  Deno.test(`${JSON.stringify(text)} is no base32`, () => {
    assert.equal(fromBase32(text), undefined);
  });
}

for (const text of ["0", "0g", "0x00", " 00", "00\n"]) {
  Deno.test(`${JSON.stringify(text)} is no hex`, () => assert.equal(fromHex(text), undefined));
}

Deno.test("joined bytes are a copy of the parts in order", () => {
  fc.assert(fc.property(fc.array(bytes), (parts) => {
    const joined = concatBytes(...parts);
    assert.deepEqual([...joined], parts.flatMap((part) => [...part]));
  }));
});

Deno.test("equalBytes() is equality of what is written", () => {
  const short = fc.uint8Array({ maxLength: 3, max: 2 });
  fc.assert(fc.property(short, short, (a, b) => {
    assert.equal(equalBytes(a, b), toHex(a) === toHex(b));
  }));
});
