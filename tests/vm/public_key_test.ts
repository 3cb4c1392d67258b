import { strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "../../src/base/mod.ts";
import {
  parseSshPublicKey,
  SSH_KEY_CHARS_MAX,
  type SshKeyReason,
  sshKeySentence,
} from "../../src/vm/mod.ts";
import { DSA, KEYS, RSA_1024 } from "./sample_keys.ts";

const ED25519 = KEYS["ssh-ed25519"] ?? "";
const [, ED25519_BASE64 = ""] = ED25519.split(" ");

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** A length-prefixed string, as all parts of a key are. */
function field(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concatBytes(length, bytes);
}

function key(type: string, ...parts: Uint8Array[]): string {
  const blob = concatBytes(...[text(type), ...parts].map(field));
  return `${type} ${blob.toBase64()}`;
}

function reasonOf(line: string): SshKeyReason | undefined {
  const parsed = parseSshPublicKey(line);
  return parsed.ok ? undefined : parsed.reason;
}

const point256 = concatBytes(Uint8Array.of(4), new Uint8Array(64).fill(7));
const ed25519 = new Uint8Array(32).fill(9);
const modulus = (bytes: number) =>
  concatBytes(Uint8Array.of(0, 0xff), new Uint8Array(bytes - 1).fill(1));
const exponent = Uint8Array.of(1, 0, 1);

Deno.test("parseSshPublicKey() takes all that ssh-keygen makes, and drops the comment", () => {
  for (const [type, line] of Object.entries(KEYS)) {
    const parsed = parseSshPublicKey(line);
    strictEqual(parsed.ok && parsed.value.type, type);
    strictEqual(parsed.ok && parsed.value.line, line.split(" ").slice(0, 2).join(" "));
  }
});

Deno.test("parseSshPublicKey() takes a file's one line end", () => {
  for (const end of ["", "\n", "\r\n"]) strictEqual(reasonOf(ED25519 + end), undefined);
});

Deno.test("parseSshPublicKey() takes keys of security tokens", () => {
  const application = text("ssh:work");
  const p256 = [text("nistp256"), point256, application] as const;
  strictEqual(reasonOf(key("sk-ssh-ed25519@openssh.com", ed25519, application)), undefined);
  strictEqual(reasonOf(key("sk-ecdsa-sha2-nistp256@openssh.com", ...p256)), undefined);
  const hostile = text("ssh:\n");
  strictEqual(reasonOf(key("sk-ssh-ed25519@openssh.com", ed25519, hostile)), "malformed");
});

const REFUSED: readonly [string, string, SshKeyReason][] = [
  ["nothing", "", "empty"],
  ["blanks", "  \n", "empty"],
  ["too much", ED25519 + "x".repeat(SSH_KEY_CHARS_MAX), "too-long"],
  ["a private key", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", "private-key"],
  ["two keys", `${ED25519}\n${ED25519}\n`, "several-keys"],
  ["a key and an empty line", `${ED25519}\n\n`, "several-keys"],
  ["a carriage return inside", `${ED25519}\r${ED25519}`, "several-keys"],
  ["a NUL", `${ED25519}\0`, "control-characters"],
  ["an escape sequence in the comment", `${ED25519} \x1b[2J`, "control-characters"],
  ["a C1 control in the comment", `${ED25519} \u009b2J`, "control-characters"],
  ["a Unicode line end in the comment", `${ED25519} a\u2028b`, "control-characters"],
  ["a tab between", ED25519.replace(" ", "\t"), "control-characters"],
  ["options", `command="sh" ${ED25519}`, "options-or-unknown-type"],
  ["a leading space", ` ${ED25519}`, "options-or-unknown-type"],
  ["an inherited name", `toString ${ED25519_BASE64}`, "options-or-unknown-type"],
  ["a certificate", `ssh-ed25519-cert-v01@openssh.com AAAA`, "options-or-unknown-type"],
  ["DSA", DSA, "options-or-unknown-type"],
  ["a type alone", "ssh-ed25519", "bad-base64"],
  ["two spaces", ED25519.replace(" ", "  "), "bad-base64"],
  ["wrong letters", ED25519.replace("AAAA", "AA-_"), "bad-base64"],
  ["a letter too few", `ssh-ed25519 ${ED25519_BASE64.slice(0, -1)}`, "bad-base64"],
  ["padding inside", `ssh-ed25519 AA==${ED25519_BASE64}`, "bad-base64"],
  ["stray bits in the last letter", "ssh-ed25519 AAAAAB==", "bad-base64"],
  ["another type in front", `ssh-rsa ${ED25519_BASE64}`, "type-mismatch"],
  ["short RSA", RSA_1024, "rsa-size"],
  ["a short key", key("ssh-ed25519", ed25519.slice(1)), "malformed"],
  ["a long key", key("ssh-ed25519", new Uint8Array(33)), "malformed"],
  ["a part too many", key("ssh-ed25519", ed25519, ed25519), "malformed"],
  ["no parts", key("ssh-ed25519"), "malformed"],
  ["an empty blob", "ssh-ed25519 AAAA", "malformed"],
  [
    "a length beyond the end",
    `ssh-ed25519 ${Uint8Array.of(255, 255, 255, 255).toBase64()}`,
    "malformed",
  ],
  ["another curve", key("ecdsa-sha2-nistp256", text("nistp384"), point256), "malformed"],
  [
    "a compressed point",
    key("ecdsa-sha2-nistp256", text("nistp256"), new Uint8Array(33).fill(2)),
    "malformed",
  ],
  ["a huge modulus", key("ssh-rsa", exponent, modulus(1025)), "rsa-size"],
  ["a negative modulus", key("ssh-rsa", exponent, modulus(256).slice(1)), "malformed"],
  [
    "a padded modulus",
    key("ssh-rsa", exponent, concatBytes(new Uint8Array(1), modulus(256))),
    "malformed",
  ],
  ["an even exponent", key("ssh-rsa", Uint8Array.of(2), modulus(256)), "malformed"],
  ["exponent 1", key("ssh-rsa", Uint8Array.of(1), modulus(256)), "malformed"],
];

for (const [what, line, reason] of REFUSED) {
  Deno.test(`parseSshPublicKey() refuses ${what}`, () => strictEqual(reasonOf(line), reason));
}

Deno.test("parseSshPublicKey() takes RSA of 2048 and 8192 bits", () => {
  for (const bytes of [256, 1024]) {
    strictEqual(reasonOf(key("ssh-rsa", exponent, modulus(bytes))), undefined);
  }
});

Deno.test("parseSshPublicKey() gives back only TYPE BASE64, whatever it is given", () => {
  const lines = fc.constantFrom(...Object.values(KEYS), DSA, "");
  const edits = fc.tuple(
    lines,
    fc.nat(200),
    fc.nat(4),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  fc.assert(
    fc.property(edits, ([line, at, count, inserted]) => {
      const parsed = parseSshPublicKey(line.slice(0, at) + inserted + line.slice(at + count));
      return !parsed.ok || /^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*$/.test(parsed.value.line);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("sshKeySentence() has a sentence for every reason", () => {
  for (const [, , reason] of REFUSED) strictEqual(sshKeySentence(reason).length > 10, true);
});
