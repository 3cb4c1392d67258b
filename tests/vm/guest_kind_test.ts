/** Each kind of guests has a user and a seed; a kind that is not known is no kind. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { guestKind, guestSeed, MICRO } from "../../src/vm/mod.ts";

const TOLD = {
  wgPrivateKey: new Uint8Array(32).fill(1),
  peerPublicKey: new Uint8Array(32).fill(2),
  address: "fd00::1",
  peerAddress: "fd00::2",
  hostKeySeed: new Uint8Array(32).fill(3),
  hostPublicKey: new Uint8Array(32).fill(4),
  entropy: new Uint8Array(64).fill(5),
  authorizedKeys: ["ssh-ed25519 AAAA"],
  hostname: "box",
};

Deno.test("guestKind() knows micro, whose seed is an archive in front of the initramfs", () => {
  deepStrictEqual(guestKind("micro"), { ok: true, value: MICRO });
  strictEqual(MICRO.user, "root");
  deepStrictEqual(MICRO.seed(TOLD), { form: "initramfs", bytes: guestSeed(TOLD) });
  throws(() => MICRO.seed({ ...TOLD, hostname: "a box" }), RangeError);
});

Deno.test("guestKind() refuses what it does not know, also under the names of an object's own", () => {
  for (const name of ["nocloud", "", "MICRO", "toString", "__proto__", "constructor"]) {
    const kind = guestKind(name);
    ok(!kind.ok && kind.reason === "unknown-guest", name);
  }
});
