/**
 * The ssh host key of a guest, an Ed25519 key that the provider makes for it: as the file that sshd
 * reads, and as the line that the renter's ssh pins.
 *
 * ```
 *  file      PEM of  "openssh-key-v1\0" | string "none" | string "none" | string ""
 *                    | u32 1 | string public blob | string private part
 *  private   u32 check | u32 check | string "ssh-ed25519" | string public(32)
 *            | string seed(32) ++ public(32) | string comment "" | 1 2 3 … up to a multiple of 8
 *  public    string "ssh-ed25519" | string public(32)        string = u32 length, bytes
 * ```
 *
 * The file is not encrypted, so the two checks, which tell a wrong passphrase, are zeros.
 *
 * Source: OpenSSH's PROTOCOL.key; RFC 8709 §4 for the public key, RFC 4251 §5 for `string`.
 *
 * @module
 */
import { concatBytes } from "../base/mod.ts";

const KEY_TYPE = "ssh-ed25519";
const KEY_BYTES = 32;
const PEM_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----";
const PEM_END = "-----END OPENSSH PRIVATE KEY-----";
/** Of the cipher "none". */
const CIPHER_BLOCK_BYTES = 8;

/**
 * The contents of OpenSSH's private key file.
 * `seed` is the private key's 32-byte seed, `publicKey` the 32 bytes that belong to it (not checked:
 * this part computes no keys). Throws `RangeError` for other lengths.
 */
export function opensshHostKey(seed: Uint8Array, publicKey: Uint8Array): string {
  checkLength("host key seed", seed);
  checkLength("host public key", publicKey);
  const bytes = concatBytes(
    new TextEncoder().encode("openssh-key-v1\0"),
    ...["none", "none", ""].map(sshText),
    u32(1),
    sshString(publicBlob(publicKey)),
    sshString(padded(privatePart(seed, publicKey))),
  );
  const lines = bytes.toBase64().match(/.{1,70}/g) ?? [];
  return [PEM_BEGIN, ...lines, PEM_END, ""].join("\n");
}

function privatePart(seed: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const checks = new Uint8Array(8);
  const pair = sshString(concatBytes(seed, publicKey));
  return concatBytes(checks, publicBlob(publicKey), pair, sshText(""));
}

function padded(bytes: Uint8Array): Uint8Array {
  const missing = -bytes.length & (CIPHER_BLOCK_BYTES - 1);
  return concatBytes(bytes, Uint8Array.from({ length: missing }, (_, index) => index + 1));
}

/** The public host key as `ssh-ed25519 BASE64`: what follows the name in a known-hosts line. */
export function sshHostKeyLine(publicKey: Uint8Array): string {
  checkLength("host public key", publicKey);
  return `${KEY_TYPE} ${publicBlob(publicKey).toBase64()}`;
}

function publicBlob(publicKey: Uint8Array): Uint8Array {
  return concatBytes(sshText(KEY_TYPE), sshString(publicKey));
}

function checkLength(what: string, bytes: Uint8Array): void {
  if (bytes.length === KEY_BYTES) return;
  throw new RangeError(`Cannot use ${what}: ${bytes.length} bytes, must be ${KEY_BYTES}`);
}

function sshText(text: string): Uint8Array {
  return sshString(new TextEncoder().encode(text));
}

function sshString(bytes: Uint8Array): Uint8Array {
  return concatBytes(u32(bytes.length), bytes);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
