/**
 * The ssh host key of a guest, an Ed25519 key that the provider makes for it: as the file that
 * dropbear reads, and as the line that the renter's ssh pins.
 *
 * ```
 *  dropbear file   string "ssh-ed25519" | string seed(32) ++ public(32)
 *  public blob     string "ssh-ed25519" | string public(32)        string = u32 length, bytes
 * ```
 *
 * Source: dropbear `buf_put_ed25519_priv_key`; RFC 8709 §4 for the public key, RFC 4251 §5 for
 * `string`.
 *
 * @module
 */
import { concatBytes } from "../base/mod.ts";

const KEY_TYPE = "ssh-ed25519";
const KEY_BYTES = 32;

/**
 * The contents of dropbear's host key file.
 * `seed` is the private key's 32-byte seed, `publicKey` the 32 bytes that belong to it (not checked:
 * this part computes no keys). Throws `RangeError` for other lengths.
 */
export function dropbearHostKey(seed: Uint8Array, publicKey: Uint8Array): Uint8Array {
  checkLength("host key seed", seed);
  checkLength("host public key", publicKey);
  return concatBytes(sshText(KEY_TYPE), sshString(concatBytes(seed, publicKey)));
}

/** The public host key as `ssh-ed25519 BASE64`: what follows the name in a known-hosts line. */
export function sshHostKeyLine(publicKey: Uint8Array): string {
  checkLength("host public key", publicKey);
  const blob = concatBytes(sshText(KEY_TYPE), sshString(publicKey));
  return `${KEY_TYPE} ${blob.toBase64()}`;
}

function checkLength(what: string, bytes: Uint8Array): void {
  if (bytes.length === KEY_BYTES) return;
  throw new RangeError(`Cannot use ${what}: ${bytes.length} bytes, must be ${KEY_BYTES}`);
}

function sshText(text: string): Uint8Array {
  return sshString(new TextEncoder().encode(text));
}

function sshString(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concatBytes(length, bytes);
}
