/**
 * Raw 32-byte keys in and out of node:crypto, which takes them only inside DER: RFC 8410 §4 (public)
 * and §7 (private). The prefixes are constant, for all lengths are.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { concatBytes } from "../base/mod.ts";

/** The curves that are used. */
export type Curve = "ed25519" | "x25519";

/** Bytes of every raw key, private or public, of both curves. */
export const KEY_BYTES = 32;

const PRIVATE_PREFIX = {
  ed25519: Uint8Array.fromHex("302e020100300506032b657004220420"),
  x25519: Uint8Array.fromHex("302e020100300506032b656e04220420"),
} as const;

const PUBLIC_PREFIX = {
  ed25519: Uint8Array.fromHex("302a300506032b6570032100"),
  x25519: Uint8Array.fromHex("302a300506032b656e032100"),
} as const;

/** A private key object. @throws {RangeError} When the key has not 32 bytes. */
export function privateKeyObject(curve: Curve, raw: Uint8Array): KeyObject {
  const der = concatBytes(PRIVATE_PREFIX[curve], checkLength(raw));
  return createPrivateKey({ key: der as never, format: "der", type: "pkcs8" });
}

/** A public key object. @throws {Error} When the length is wrong or the bytes are no such key. */
export function publicKeyObject(curve: Curve, raw: Uint8Array): KeyObject {
  const der = concatBytes(PUBLIC_PREFIX[curve], checkLength(raw));
  return createPublicKey({ key: der as never, format: "der", type: "spki" });
}

/** The raw public key that belongs to a private key object. */
export function rawPublicKey(privateKey: KeyObject): Uint8Array {
  const der = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return new Uint8Array(der).slice(-KEY_BYTES);
}

function checkLength(raw: Uint8Array): Uint8Array {
  if (raw.length === KEY_BYTES) return raw;
  throw new RangeError(`Cannot use key: it has ${raw.length} bytes`);
}
