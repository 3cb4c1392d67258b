import { strictEqual, throws } from "node:assert/strict";
import { fromHex, toHex } from "../../src/base/mod.ts";
import { dropbearHostKey, sshHostKeyLine } from "../../src/vm/mod.ts";

/** Made by `dropbearkey -t ed25519` 2022.83: its file, and the public key that it printed. */
const FILE = "0000000b7373682d6564323535313900000040" +
  "41f56eafb9287c0adee78aa5a6eeb9b1d9af44fa050e42fe1d0b79ce8d67cb18" +
  "d561ef5080f9244a323b34514706c5a676e5ca87823307f3d12a9439c9679da0";
const LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINVh71CA+SRKMjs0UUcGxaZ25cqHgjMH89EqlDnJZ52g";

const seed = fromHex(FILE.slice(38, 102)) ?? new Uint8Array();
const publicKey = fromHex(FILE.slice(102)) ?? new Uint8Array();

Deno.test("dropbearHostKey() writes what dropbearkey writes", () => {
  strictEqual(toHex(dropbearHostKey(seed, publicKey)), FILE);
});

Deno.test("sshHostKeyLine() writes what dropbearkey prints", () => {
  strictEqual(sshHostKeyLine(publicKey), LINE);
});

Deno.test("host keys of a wrong length are refused", () => {
  throws(() => dropbearHostKey(seed.slice(1), publicKey), RangeError);
  throws(() => dropbearHostKey(seed, new Uint8Array(33)), RangeError);
  throws(() => sshHostKeyLine(new Uint8Array(31)), RangeError);
});
