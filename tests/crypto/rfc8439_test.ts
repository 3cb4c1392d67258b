/** ChaCha20-Poly1305 against RFC 8439 and noble, HKDF against RFC 5869. */
import assert from "node:assert/strict";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { hkdfSha256, hmacSha256, open, seal, sha256 } from "../../src/crypto/mod.ts";
import { openWithNonce, sealWithNonce } from "../../src/crypto/aead.ts";

const hex = (text: string) => Uint8Array.fromHex(text);
const utf8 = (text: string) => new TextEncoder().encode(text);

Deno.test("sealWithNonce() agrees with RFC 8439 §2.8.2", () => {
  const key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const nonce = hex("070000004041424344454647");
  const aad = hex("50515253c0c1c2c3c4c5c6c7");
  const plaintext = utf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the " +
      "future, sunscreen would be it.",
  );
  const sealed = sealWithNonce(key, { nonce, aad }, plaintext);
  assert.equal(
    sealed.toHex(),
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
      "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
      "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
      "3ff4def08e4b7a9de576d26586cec64b6116" + "1ae10b594f09e26a7e902ecbd0600691",
  );
  assert.deepEqual(openWithNonce(key, { nonce, aad }, sealed), { ok: true, value: plaintext });
});

Deno.test("openWithNonce() agrees with RFC 8439 §A.5", () => {
  const key = hex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
  const sealed = hex(
    "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2" +
      "4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf" +
      "332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855" +
      "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4" +
      "b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e" +
      "af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a" +
      "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10" +
      "49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29" +
      "a6ad5cb4022b02709b" + "eead9d67890cbb22392336fea1851f38",
  );
  const nonce = hex("000000000102030405060708");
  const opened = openWithNonce(key, { nonce, aad: hex("f33388860000000000004e91") }, sealed);
  assert.ok(opened.ok);
  const text = new TextDecoder().decode(opened.value);
  assert.match(text, /^Internet-Drafts are draft documents valid for a maximum of six months/);
});

Deno.test("seal() gives what noble gives under Noise's nonce", () => {
  const counters = fc.oneof(fc.nat(1000), fc.nat(Number.MAX_SAFE_INTEGER));
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(fc.property(key, counters, fc.uint8Array(), fc.uint8Array(), (key, counter, aad, p) => {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
    const sealed = seal(key, { counter, aad }, p);
    assert.deepEqual(sealed, chacha20poly1305(key, nonce, aad).encrypt(p));
    assert.deepEqual(open(key, { counter, aad }, sealed), { ok: true, value: p });
  }));
});

Deno.test("open() refuses every changed bit, counter, associated byte and length", () => {
  const key = new Uint8Array(32).fill(1);
  const aad = hex("aabb");
  const sealed = seal(key, { counter: 5, aad }, hex("010203"));
  const bad = { ok: false, reason: "bad-tag" };
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = sealed.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.deepEqual(open(key, { counter: 5, aad }, changed), bad);
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.deepEqual(open(key, { counter: 5, aad }, sealed.subarray(0, length)), bad);
  }
  assert.deepEqual(open(key, { counter: 6, aad }, sealed), bad);
  assert.deepEqual(open(key, { counter: 5 }, sealed), bad);
  assert.deepEqual(open(new Uint8Array(32), { counter: 5, aad }, sealed), bad);
});

Deno.test("seal() throws on a counter that could repeat a nonce, and on a short key", () => {
  const key = new Uint8Array(32);
  for (const counter of [-1, 0.5, 2 ** 53, NaN]) {
    assert.throws(() => seal(key, { counter }, hex("00")), RangeError);
  }
  assert.throws(() => seal(key.subarray(1), { counter: 0 }, hex("00")), RangeError);
});

Deno.test("hkdfSha256() agrees with RFC 5869 §A.1", () => {
  const okm = hkdfSha256(hex("0b".repeat(22)), {
    salt: hex("000102030405060708090a0b0c"),
    info: hex("f0f1f2f3f4f5f6f7f8f9"),
    bytes: 42,
  });
  assert.equal(
    okm.toHex(),
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  );
});

Deno.test("sha256() and hmacSha256() agree with FIPS 180-4 and RFC 4231 §4.3", () => {
  assert.equal(
    sha256(utf8("a"), utf8("bc")).toHex(),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assert.equal(
    hmacSha256(utf8("Jefe"), utf8("what do ya want "), utf8("for nothing?")).toHex(),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});
