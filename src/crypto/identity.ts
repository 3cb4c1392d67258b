/**
 * Identities: Ed25519 (RFC 8032) keys with domain-separated signatures.
 *
 * What is signed is never the bytes alone but
 *
 * ```text
 *   "omerta/1 " domain 00 bytes
 * ```
 *
 * so that a signature of one kind is worthless as one of another. Public keys of small order and
 * encodings that are not canonical are refused everywhere: under the identity point, libraries were
 * seen to verify forgeries; and a second encoding would be a second id of one node.
 *
 * @module
 */
import { type KeyObject, sign as signWith, verify as verifyWith } from "node:crypto";
import {
  concatBytes,
  fail,
  fromBase32,
  ID_CHARS,
  type NetworkId,
  type NodeId,
  ok,
  type Random,
  type Result,
  toBase32,
} from "../base/mod.ts";
import { KEY_BYTES, privateKeyObject, publicKeyObject, rawPublicKey } from "./der.ts";

/** Bytes of a signature. */
export const SIGNATURE_BYTES = 64;

/** Kinds of what is signed. A new kind gets a new name, here, so that none is used twice. */
export type SignatureDomain =
  | "static-key"
  | "certificate"
  | "revocation"
  | "record"
  | "test";

/** Who signs: a node or a network's authority. Holds its secret where nothing prints it. */
export interface Identity {
  readonly id: NodeId;
  /** 32 bytes; do not write to them. */
  readonly publicKey: Uint8Array;
  /** The 64-byte signature over the domain and the bytes. */
  sign(domain: SignatureDomain, bytes: Uint8Array): Uint8Array;
}

/** A fresh identity and the 32-byte seed from which `identityFromSeed` makes it again. */
export function generateIdentity(random: Random): { identity: Identity; seed: Uint8Array } {
  const seed = random.bytes(KEY_BYTES);
  return { identity: identityFromSeed(seed), seed };
}

/** The identity of a 32-byte seed (RFC 8032's private key). @throws {RangeError} On another length. */
export function identityFromSeed(seed: Uint8Array): Identity {
  const key = privateKeyObject("ed25519", seed);
  const publicKey = rawPublicKey(key);
  return {
    id: nodeIdOf(publicKey),
    publicKey,
    sign: (domain, bytes) => new Uint8Array(signWith(null, signedBytes(domain, bytes), key)),
  };
}

/**
 * Whether `signature` is one by `publicKey` over the domain and the bytes. Keys of small order, keys
 * and signatures in a form that is not canonical (S ≥ L), and wrong lengths are all simply false.
 */
export function verify(
  publicKey: Uint8Array,
  domain: SignatureDomain,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  if (!isBelow(signature.subarray(32), GROUP_ORDER)) return false;
  const key = goodPublicKey(publicKey);
  return key !== undefined && verifyWith(null, signedBytes(domain, bytes), key, signature);
}

/** The id of a public key. @throws {RangeError} When it has not 32 bytes. */
export function nodeIdOf(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== KEY_BYTES) {
    throw new RangeError(`Cannot make id: the key has ${publicKey.length} bytes`);
  }
  return toBase32(publicKey) as NodeId;
}

/** The id of a network, which is its authority's key. @throws {RangeError} When it has not 32 bytes. */
export function networkIdOf(publicKey: Uint8Array): NetworkId {
  return nodeIdOf(publicKey) as string as NetworkId;
}

/** The public key of a node's or network's id: only the one canonical text of a good key. */
export function publicKeyOf(id: string): Result<Uint8Array, "bad-id" | "bad-key"> {
  const key = id.length === ID_CHARS ? fromBase32(id) : undefined;
  if (key === undefined) return fail("bad-id");
  return isGoodPublicKey(key) ? ok(key) : fail("bad-key");
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

function signedBytes(domain: SignatureDomain, bytes: Uint8Array): Uint8Array {
  return concatBytes(utf8.encode(`omerta/1 ${domain}\0`), bytes);
}

/** Compares two little-endian numbers of one length. */
function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = a.length - 1; i >= 0; i--) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

const utf8 = new TextEncoder();

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
