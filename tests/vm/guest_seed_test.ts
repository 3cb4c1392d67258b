import { strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { guestHostname, type GuestSeed, guestSeed } from "../../src/vm/mod.ts";

const SEED: GuestSeed = {
  wgPrivateKey: new Uint8Array(32).fill(1),
  peerPublicKey: new Uint8Array(32).fill(2),
  address: "fd4f:6d65:7274::2",
  peerAddress: "fd4f:6d65:7274::1",
  hostKeySeed: new Uint8Array(32).fill(3),
  hostPublicKey: new Uint8Array(32).fill(4),
  entropy: new Uint8Array(64).fill(5),
  authorizedKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="],
  hostname: "guest-1",
};

Deno.test("guestSeed() holds what the guest's init reads", () => {
  const archive = new TextDecoder("latin1").decode(guestSeed(SEED));
  const expected = [
    "HOSTNAME=guest-1\nADDRESS=fd4f:6d65:7274::2\nPEER_ADDRESS=fd4f:6d65:7274::1\n" +
    `PEER_PUBLIC_KEY=${SEED.peerPublicKey.toBase64()}\n`,
    `${SEED.wgPrivateKey.toBase64()}\n`,
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==\n",
    "\x05".repeat(64),
    "omerta/ssh_host_key\0",
  ];
  for (const part of expected) strictEqual(archive.includes(part), true, part);
});

const WRONG: readonly [string, Partial<GuestSeed>][] = [
  ["a short WireGuard key", { wgPrivateKey: new Uint8Array(31) }],
  ["a long peer key", { peerPublicKey: new Uint8Array(33) }],
  ["a short host key", { hostKeySeed: new Uint8Array(16) }],
  ["too little entropy", { entropy: new Uint8Array(32) }],
  ["an IPv4 address", { address: "10.0.0.1" }],
  ["a global address", { address: "2001:db8::1" }],
  ["an address with a prefix length", { address: "fd00::1/64" }],
  ["an address with a line end", { peerAddress: "fd00::1\nX=1" }],
  ["a hostname with a line end", { hostname: "a\nADDRESS=fd00::9" }],
  ["an empty hostname", { hostname: "" }],
  ["a hostname with a quote", { hostname: "it's" }],
  ["an authorized key with options", { authorizedKeys: ['command="x" ssh-ed25519 AAAA'] }],
  ["an authorized key with a comment", { authorizedKeys: ["ssh-ed25519 AAAA me"] }],
  ["two authorized keys in one", { authorizedKeys: ["ssh-ed25519 AAAA\nssh-rsa AAAA"] }],
];

for (const [what, change] of WRONG) {
  Deno.test(`guestSeed() refuses ${what}`, () => {
    throws(() => guestSeed({ ...SEED, ...change }), RangeError);
  });
}

Deno.test("guestHostname() makes a host name of whatever a person wrote", () => {
  strictEqual(guestHostname("My VM's #1"), "my-vm-s-1");
  strictEqual(guestHostname("-ünïcode-"), "n-code");
  strictEqual(guestHostname(""), "guest");
  strictEqual(guestHostname("…"), "guest");
  strictEqual(guestHostname(`${"a".repeat(62)}-b`), "a".repeat(62));
});

Deno.test("guestHostname() gives a host name for any text, and leaves one as it is", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => {
    const host = guestHostname(name);
    return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(host) && guestHostname(host) === host;
  }));
});
