/** Ed25519 against RFC 8032, node:crypto against noble, and what must be refused. */
import assert from "node:assert/strict";
import { ed25519 as noble } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import {
  identityFromSeed,
  isGoodPublicKey,
  nodeIdOf,
  publicKeyOf,
  type SignatureDomain,
  verify,
} from "../../src/crypto/mod.ts";
import { signingKey, verifySignature } from "../../src/crypto/ed25519.ts";

const hex = (text: string) => Uint8Array.fromHex(text);

const RFC8032 = [
  {
    name: "TEST 1",
    seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature: "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555" +
      "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  },
  {
    name: "TEST 2",
    seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da0" +
      "85ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
  {
    name: "TEST 3",
    seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature: "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac1" +
      "8ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
] as const;

for (const vector of RFC8032) {
  Deno.test(`Ed25519 agrees with RFC 8032 §7.1 ${vector.name}`, () => {
    const key = signingKey(hex(vector.seed));
    assert.equal(key.publicKey.toHex(), vector.publicKey);
    assert.equal(key.sign(hex(vector.message)).toHex(), vector.signature);
    assert.ok(verifySignature(key.publicKey, hex(vector.message), hex(vector.signature)));
  });
}

/** Adds the group order to the scalar of a signature: the same point, another encoding. */
function addGroupOrder(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const scalar = BigInt("0x" + signature.slice(32).reverse().toHex()) + order;
  const tail = hex(scalar.toString(16).padStart(64, "0")).reverse();
  return Uint8Array.from([...signature.slice(0, 32), ...tail]);
}

Deno.test("verifySignature() refuses a malleated signature (S ≥ L)", () => {
  const key = signingKey(hex(RFC8032[0].seed));
  const good = hex(RFC8032[0].signature);
  assert.ok(verifySignature(key.publicKey, new Uint8Array(), good));
  assert.ok(!verifySignature(key.publicKey, new Uint8Array(), addGroupOrder(good)));
});

Deno.test("verifySignature() refuses the forgery under the identity point", () => {
  const identityPoint = hex("01" + "00".repeat(31));
  const forged = Uint8Array.from([...identityPoint, ...new Uint8Array(32)]);
  assert.ok(!verifySignature(identityPoint, hex("00"), forged));
});

Deno.test("isGoodPublicKey() refuses every point of small order", () => {
  const points = noble.Point;
  const order8 = points.fromHex(
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  );
  const seen = new Set<string>();
  let point = points.ZERO;
  for (let i = 0; i < 8; i++, point = point.add(order8)) {
    const encoded = point.toBytes();
    seen.add(encoded.toHex());
    assert.ok(!isGoodPublicKey(encoded), encoded.toHex());
  }
  assert.equal(seen.size, 8);
});

Deno.test("isGoodPublicKey() refuses encodings that are not canonical, and what is no point", () => {
  const refused = [
    "ed" + "ff".repeat(30) + "7f", // y = p, which is 0
    "ee" + "ff".repeat(30) + "7f", // y = p + 1, which is 1
    "ff".repeat(32),
    "01" + "00".repeat(30) + "80", // y = 1 with the sign of x = -0
    "ec" + "ff".repeat(31), // y = -1 with the sign of x = -0
    "02" + "00".repeat(31), // no x belongs to y = 2
  ];
  for (const key of refused) assert.ok(!isGoodPublicKey(hex(key)), key);
  for (const length of [0, 31, 33]) assert.ok(!isGoodPublicKey(new Uint8Array(length)));
  for (const { publicKey } of RFC8032) assert.ok(isGoodPublicKey(hex(publicKey)));
});

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

Deno.test("Ed25519 signs and verifies as noble does", () => {
  fc.assert(
    fc.property(bytes32, fc.uint8Array(), (seed, message) => {
      const key = signingKey(seed);
      const signature = key.sign(message);
      assert.deepEqual(signature, noble.sign(message, seed));
      assert.ok(noble.verify(signature, message, key.publicKey));
      assert.ok(verifySignature(key.publicKey, message, signature));
    }),
    { numRuns: 25 },
  );
});

Deno.test("isGoodPublicKey() accepts exactly the strict points of noble", () => {
  fc.assert(
    fc.property(bytes32, (key) => {
      const isStrict = () => !noble.Point.fromBytes(key, false).isSmallOrder();
      let expected = false;
      try {
        expected = isStrict();
      } catch { /* noble throws where the bytes are no point */ }
      assert.equal(isGoodPublicKey(key), expected);
    }),
    { numRuns: 100 },
  );
});

Deno.test("verify() accepts a signature in its own domain and no other", () => {
  const { sign, publicKey } = identityFromSeed(new Uint8Array(32).fill(7));
  const bytes = hex("0102");
  const signature = sign("certificate", bytes);
  assert.ok(verify(publicKey, "certificate", bytes, signature));
  for (const domain of ["record", "revocation", "static-key"] as SignatureDomain[]) {
    assert.ok(!verify(publicKey, domain, bytes, signature), domain);
  }
  assert.ok(!verifySignature(publicKey, bytes, signature));
});

Deno.test("verify() never throws and never accepts a changed signature", () => {
  const { sign, publicKey } = identityFromSeed(new Uint8Array(32).fill(7));
  const bytes = hex("0102");
  const signature = sign("test", bytes);
  fc.assert(fc.property(fc.nat(63), fc.integer({ min: 1, max: 255 }), (at, bits) => {
    const changed = signature.slice();
    changed[at] = (changed[at] ?? 0) ^ bits;
    assert.ok(!verify(publicKey, "test", bytes, changed));
  }));
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array({ maxLength: 80 }), (key, forged) => {
    assert.ok(!verify(key, "test", bytes, forged));
  }));
});

Deno.test("publicKeyOf() reverses nodeIdOf() and refuses everything else", () => {
  const { id, publicKey } = identityFromSeed(new Uint8Array(32).fill(9));
  assert.deepEqual(publicKeyOf(id), { ok: true, value: publicKey });
  assert.deepEqual(publicKeyOf(id.toUpperCase()), { ok: false, reason: "bad-id" });
  assert.deepEqual(publicKeyOf(id.slice(1)), { ok: false, reason: "bad-id" });
  const identityPoint = nodeIdOf(hex("01" + "00".repeat(31)));
  assert.deepEqual(publicKeyOf(identityPoint), { ok: false, reason: "bad-key" });
});
