import { strictEqual, throws } from "node:assert/strict";
import { fromHex } from "../../src/base/mod.ts";
import { opensshHostKey, sshHostKeyLine } from "../../src/vm/mod.ts";

/**
 * Made by `ssh-keygen -t ed25519 -N "" -C ""` of OpenSSH 9.2, its two random check numbers set to
 * zero, and the public key that it printed.
 */
const FILE = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDTHHV1glyJxDgmYXHQWcZQ6rYFQ+0bwdARZoH8WI+j4AAAAIgAAAAAAAAA
AAAAAAtzc2gtZWQyNTUxOQAAACDTHHV1glyJxDgmYXHQWcZQ6rYFQ+0bwdARZoH8WI+j4A
AAAEDPx2DACE3nUatACOntgeBvQOaUNrD5eb6QAfFk2LRCcNMcdXWCXInEOCZhcdBZxlDq
tgVD7RvB0BFmgfxYj6PgAAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----
`;
const LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINMcdXWCXInEOCZhcdBZxlDqtgVD7RvB0BFmgfxYj6Pg";

const seed = fromHex("cfc760c0084de751ab4008e9ed81e06f40e69436b0f979be9001f164d8b44270") ??
  new Uint8Array();
const publicKey = fromHex("d31c7575825c89c438266171d059c650eab60543ed1bc1d0116681fc588fa3e0") ??
  new Uint8Array();

Deno.test("opensshHostKey() writes what ssh-keygen writes", () => {
  strictEqual(opensshHostKey(seed, publicKey), FILE);
});

Deno.test("sshHostKeyLine() writes what ssh-keygen prints", () => {
  strictEqual(sshHostKeyLine(publicKey), LINE);
});

Deno.test("host keys of a wrong length are refused", () => {
  throws(() => opensshHostKey(seed.slice(1), publicKey), RangeError);
  throws(() => opensshHostKey(seed, new Uint8Array(33)), RangeError);
  throws(() => sshHostKeyLine(new Uint8Array(31)), RangeError);
});
