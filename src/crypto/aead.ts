/**
 * ChaCha20-Poly1305 (RFC 8439) with Noise's nonce: four zero bytes, then the counter as 64 bits
 * little-endian (Noise revision 34 §12.3). One key must never see the same counter twice.
 *
 * @module
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { concatBytes, fail, ok, type Result } from "../base/mod.ts";

/** Bytes of a key. */
export const AEAD_KEY_BYTES = 32;
/** Bytes by which sealing lengthens. */
export const AEAD_TAG_BYTES = 16;

const ALGORITHM = "chacha20-poly1305";
const TAG_OPTIONS = { authTagLength: AEAD_TAG_BYTES };
const NOTHING = new Uint8Array();

/** What is sealed or opened beside the key. */
export interface Sealing {
  /** A safe integer, used once per key. */
  readonly counter: number;
  /** Authenticated, not encrypted. */
  readonly aad?: Uint8Array;
}

/**
 * Encrypts and authenticates.
 *
 * @param key 32 bytes.
 * @returns Ciphertext and tag: `plaintext.length + 16` fresh bytes.
 * @throws {RangeError} When the key or counter is out of range.
 */
export function seal(key: Uint8Array, sealing: Sealing, plaintext: Uint8Array): Uint8Array {
  return sealWithNonce(key, { nonce: nonceOf(sealing.counter), aad: sealing.aad }, plaintext);
}

/**
 * Verifies and decrypts.
 *
 * @returns The plaintext, fresh bytes; `bad-tag` for anything that this key, counter and `aad` did
 * not seal. Never throws on hostile `sealed`.
 * @throws {RangeError} When the key or counter is out of range.
 */
export function open(
  key: Uint8Array,
  sealing: Sealing,
  sealed: Uint8Array,
): Result<Uint8Array, "bad-tag"> {
  return openWithNonce(key, { nonce: nonceOf(sealing.counter), aad: sealing.aad }, sealed);
}

/** RFC 8439's own form, with a 12-byte nonce: for its vectors, and under `seal`. */
export function sealWithNonce(
  key: Uint8Array,
  { nonce, aad = NOTHING }: { nonce: Uint8Array; aad?: Uint8Array | undefined },
  plaintext: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(ALGORITHM, checkKey(key), nonce, TAG_OPTIONS);
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  const body = cipher.update(plaintext);
  cipher.final();
  return concatBytes(body, cipher.getAuthTag());
}

/** The reverse of `sealWithNonce`. */
export function openWithNonce(
  key: Uint8Array,
  { nonce, aad = NOTHING }: { nonce: Uint8Array; aad?: Uint8Array | undefined },
  sealed: Uint8Array,
): Result<Uint8Array, "bad-tag"> {
  const split = sealed.length - AEAD_TAG_BYTES;
  if (split < 0) return fail("bad-tag");
  const decipher = createDecipheriv(ALGORITHM, checkKey(key), nonce, TAG_OPTIONS);
  decipher.setAAD(aad, { plaintextLength: split });
  decipher.setAuthTag(sealed.subarray(split));
  const plaintext = new Uint8Array(decipher.update(sealed.subarray(0, split)));
  try {
    decipher.final();
    return ok(plaintext);
  } catch {
    return fail("bad-tag"); // the only failure that final() has
  }
}

function checkKey(key: Uint8Array): Uint8Array {
  if (key.length === AEAD_KEY_BYTES) return key;
  throw new RangeError(`Cannot use AEAD key: it has ${key.length} bytes`);
}

function nonceOf(counter: number): Uint8Array {
  if (!Number.isSafeInteger(counter) || counter < 0) {
    throw new RangeError(`Cannot make nonce: counter is ${counter}`);
  }
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setUint32(4, counter % 0x100000000, true);
  view.setUint32(8, Math.floor(counter / 0x100000000), true);
  return nonce;
}
