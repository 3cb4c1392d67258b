/**
 * X25519 (RFC 7748) key pairs and agreement. An all-zero result, which only points of small order
 * give, is refused (RFC 7748 §6.1).
 *
 * @module
 */
import { diffieHellman, type KeyObject } from "node:crypto";
import { fail, ok, type Random, type Result } from "../base/mod.ts";
import { KEY_BYTES, privateKeyObject, publicKeyObject, rawPublicKey } from "./der.ts";

/** An X25519 key pair: 32 bytes each, both for Noise and for WireGuard. */
export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** A fresh key pair. */
export function generateKeyPair(random: Random): KeyPair {
  return keyPairFromPrivate(random.bytes(KEY_BYTES));
}

/** The key pair of a 32-byte private key. @throws {RangeError} On another length. */
export function keyPairFromPrivate(privateKey: Uint8Array): KeyPair {
  return { privateKey, publicKey: rawPublicKey(privateObject(privateKey)) };
}

/** The shared secret of 32 bytes, or `bad-key` where the public key gives none. */
export function x25519(
  privateKey: Uint8Array,
  publicKey: Uint8Array,
): Result<Uint8Array, "bad-key"> {
  if (publicKey.length !== KEY_BYTES) return fail("bad-key");
  try {
    const shared = new Uint8Array(
      diffieHellman({
        privateKey: privateObject(privateKey),
        publicKey: publicKeyObject("x25519", publicKey),
      }),
    );
    return shared.every((byte) => byte === 0) ? fail("bad-key") : ok(shared);
  } catch (error) {
    if (error instanceof RangeError) throw error; // our own private key is not one
    return fail("bad-key"); // the library's own refusal of a zero result
  }
}

/** Key objects by their raw bytes' identity: making one costs as much as using it (measured). */
const privateObjects = new WeakMap<Uint8Array, KeyObject>();

function privateObject(raw: Uint8Array): KeyObject {
  const known = privateObjects.get(raw);
  if (known !== undefined) return known;
  const made = privateKeyObject("x25519", raw);
  privateObjects.set(raw, made);
  return made;
}
