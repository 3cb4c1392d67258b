/**
 * Ed25519 (RFC 8032) over raw bytes, stricter than the libraries are: public keys of small order and
 * encodings that are not canonical are refused, and signatures with S ≥ L. Under the identity point,
 * libraries were seen to verify forgeries.
 *
 * For use by `identity.ts` only, which separates signatures by domain.
 *
 * @module
 */
import { type KeyObject, sign, verify } from "node:crypto";
import { KEY_BYTES, privateKeyObject, publicKeyObject, rawPublicKey } from "./der.ts";

/** Bytes of a signature. */
export const SIGNATURE_BYTES = 64;

/** A key that signs; its secret stays inside. */
export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The 64-byte signature of the message. */
  sign(message: Uint8Array): Uint8Array;
}

/** The key of a 32-byte seed (RFC 8032's private key). @throws {RangeError} On another length. */
export function signingKey(seed: Uint8Array): SigningKey {
  const key = privateKeyObject("ed25519", seed);
  return {
    publicKey: rawPublicKey(key),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}

/** Whether the signature is by that key; false for whatever is not canonical. Never throws. */
export function verifySignature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  if (!isBelow(signature.subarray(32), GROUP_ORDER)) return false;
  const key = goodPublicKey(publicKey);
  return key !== undefined && verify(null, message, key, signature);
}

/** Whether 32 bytes are the canonical encoding of a point that is not of small order. */
export function isGoodPublicKey(key: Uint8Array): boolean {
  return goodPublicKey(key) !== undefined;
}

function goodPublicKey(key: Uint8Array): KeyObject | undefined {
  if (key.length !== KEY_BYTES) return undefined;
  const y = key.slice();
  y[31] = (y[31] ?? 0) & 0x7f;
  if (!isBelow(y, FIELD_PRIME) || SMALL_ORDER_Y.has(y.toHex())) return undefined;
  try {
    return publicKeyObject("ed25519", key);
  } catch {
    return undefined; // a y without an x is no point of the curve
  }
}

/** Compares two little-endian numbers of one length. */
function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = a.length - 1; i >= 0; i--) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** p = 2^255 - 19, little-endian. RFC 7748 §4.1. */
const FIELD_PRIME = Uint8Array.fromHex("ed" + "ff".repeat(30) + "7f");

/** L, the order of the base point, little-endian. RFC 8032 §5.1. */
const GROUP_ORDER = Uint8Array.fromHex(
  "edd3f55c1a631258d69cf7a2def9de14" + "00".repeat(15) + "10",
);

/** The y of all eight points whose order divides 8 (orders 1, 2, 4, 8, 8); the sign bit is cleared. */
const SMALL_ORDER_Y: ReadonlySet<string> = new Set([
  "01" + "00".repeat(31),
  "ec" + "ff".repeat(30) + "7f",
  "00".repeat(32),
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
]);
