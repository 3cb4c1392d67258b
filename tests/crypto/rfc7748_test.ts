/** X25519 against RFC 7748, and node:crypto against noble. */
import assert from "node:assert/strict";
import { x25519 as noble } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { generateKeyPair, keyPairFromPrivate, x25519 } from "../../src/crypto/mod.ts";
import { systemRandom } from "../../src/host/system.ts";

const hex = (text: string) => Uint8Array.fromHex(text);

Deno.test("x25519() agrees with RFC 7748 §5.2", () => {
  const cases = [
    [
      "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
      "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
      "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ],
    [
      "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
      "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
      "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ],
  ] as const;
  for (const [scalar, u, expected] of cases) {
    const shared = x25519(hex(scalar), hex(u));
    assert.equal(shared.ok && shared.value.toHex(), expected);
  }
});

Deno.test("x25519() agrees with RFC 7748 §5.2 iterated a thousand times", () => {
  let k: Uint8Array = hex("09" + "00".repeat(31));
  let u = k;
  for (let i = 1; i <= 1000; i++) {
    const shared = x25519(k, u);
    assert.ok(shared.ok);
    [k, u] = [shared.value, k];
    if (i === 1) {
      assert.equal(k.toHex(), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  assert.equal(k.toHex(), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
});

Deno.test("keyPairFromPrivate() and x25519() agree with RFC 7748 §6.1", () => {
  const alice = keyPairFromPrivate(
    hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
  );
  const bob = keyPairFromPrivate(
    hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
  );
  const alicePublic = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
  const bobPublic = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
  const secret = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  assert.equal(alice.publicKey.toHex(), alicePublic);
  assert.equal(bob.publicKey.toHex(), bobPublic);
  for (const [ours, theirs] of [[alice, bob], [bob, alice]] as const) {
    const shared = x25519(ours.privateKey, theirs.publicKey);
    assert.equal(shared.ok && shared.value.toHex(), secret);
  }
});

Deno.test("x25519() refuses points that give an all-zero secret (RFC 7748 §6.1)", () => {
  const { privateKey } = generateKeyPair(systemRandom);
  const points = [
    "00".repeat(32),
    "01" + "00".repeat(31),
    "ec" + "ff".repeat(30) + "7f",
    "ed" + "ff".repeat(30) + "7f",
    "ee" + "ff".repeat(30) + "7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  ];
  for (const point of points) {
    assert.deepEqual(x25519(privateKey, hex(point)), { ok: false, reason: "bad-key" }, point);
  }
  assert.deepEqual(x25519(privateKey, new Uint8Array(31)), { ok: false, reason: "bad-key" });
});

Deno.test("x25519() gives what noble gives", () => {
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(bytes32, bytes32, (ours, theirs) => {
      const pair = keyPairFromPrivate(ours);
      const other = keyPairFromPrivate(theirs);
      assert.deepEqual(pair.publicKey, noble.getPublicKey(ours));
      const shared = x25519(ours, other.publicKey);
      assert.deepEqual(shared.ok && shared.value, noble.getSharedSecret(ours, other.publicKey));
    }),
    { numRuns: 25 },
  );
});
