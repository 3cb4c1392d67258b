import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import type { PeerKey } from "../../src/base/mod.ts";
import { seededRandom } from "../../src/base/mod.ts";
import { generateKeyPair } from "../../src/crypto/mod.ts";
import { devicePlan, guestPlan, TUNNEL_MTU, tunnelAddress } from "../../src/tunnel/mod.ts";
import { addressScope, parseIp } from "../../src/wire/mod.ts";

const PEER = "net/node" as PeerKey;

/** Computed apart from this code: Python's hashlib and ipaddress. */
const VECTORS: readonly [Uint8Array, string][] = [
  [new Uint8Array(32), "fd00:9ac1:d987:f3f6:295b:3c1c:52b7:b94a"],
  [Uint8Array.from({ length: 32 }, (_, i) => i), "fdf9:d0ff:3a8a:8ce9:77c3:8bb3:cbf:c4c2"],
  [new Uint8Array(32).fill(255), "fd2a:98b6:ac65:b5ed:45ae:1161:3aed:22f5"],
];

Deno.test("tunnelAddress() gives the addresses that another implementation computed", () => {
  for (const [key, address] of VECTORS) strictEqual(tunnelAddress(key), address);
});

Deno.test("every tunnel address is canonical, private, and its key's alone", () => {
  const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(fc.property(keys, keys, (a, b) => {
    const address = tunnelAddress(a);
    match(address, /^fd[0-9a-f]{2}:/);
    deepStrictEqual(parseIp(address), { ok: true, value: address });
    strictEqual(addressScope(address), "private");
    strictEqual(address === tunnelAddress(b), a.toHex() === b.toHex());
  }));
});

Deno.test("tunnelAddress() refuses what is no key", () => {
  for (const length of [0, 31, 33]) throws(() => tunnelAddress(new Uint8Array(length)), RangeError);
});

Deno.test("the two ends of a tunnel plan each other's address", () => {
  const random = seededRandom(5);
  const [renter, guest] = [generateKeyPair(random), generateKeyPair(random)];
  const end = { tunnel: 7, peer: PEER, remote: 0 };
  const plan = devicePlan({ ...end, keys: renter, peerKey: guest.publicKey });
  deepStrictEqual(plan, {
    ...end,
    mode: "device",
    privateKey: renter.privateKey.toHex(),
    peerKey: guest.publicKey.toHex(),
    address: tunnelAddress(renter.publicKey),
    peerAddress: tunnelAddress(guest.publicKey),
    mtu: TUNNEL_MTU,
    keepaliveS: 0,
  });
});

Deno.test("the provider's end names the helper's socket and no key", () => {
  const end = { tunnel: 0xffff_ffff, peer: PEER, remote: 9 };
  const plan = guestPlan({ ...end, control: "/s/vms/a/ctl.sock" });
  deepStrictEqual(plan, { ...end, mode: "guest", control: "/s/vms/a/ctl.sock" });
});

Deno.test("a plan refuses ids that are no 32-bit numbers, and 0 for our own", () => {
  const bad: readonly [number, number][] = [[0, 1], [-1, 1], [2 ** 32, 1], [1.5, 1], [1, -1], [
    1,
    2 ** 32,
  ]];
  for (const [tunnel, remote] of bad) {
    throws(() => guestPlan({ tunnel, remote, peer: PEER, control: "/x" }), RangeError);
  }
});
