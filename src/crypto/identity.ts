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
import { KEY_BYTES } from "./der.ts";
import { isGoodPublicKey, signingKey, verifySignature } from "./ed25519.ts";

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
  const key = signingKey(seed);
  return {
    id: nodeIdOf(key.publicKey),
    publicKey: key.publicKey,
    sign: (domain, bytes) => key.sign(signedBytes(domain, bytes)),
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
  return verifySignature(publicKey, signedBytes(domain, bytes), signature);
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

function signedBytes(domain: SignatureDomain, bytes: Uint8Array): Uint8Array {
  return concatBytes(utf8.encode(`omerta/1 ${domain}\0`), bytes);
}

const utf8 = new TextEncoder();
