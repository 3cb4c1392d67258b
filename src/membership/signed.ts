/**
 * Signed objects: a body and a signature over exactly the bytes of the body.
 *
 * ```text
 *   82            array of two
 *     58 NN …     body: a byte string that holds one CBOR map
 *     58 40 …     Ed25519 signature (64 bytes) over "omerta/1 DOMAIN" 00 body
 * ```
 *
 * Both layers are canonical CBOR, and keys of small order and S ≥ L are refused underneath, so no
 * bit of a signed object can change without its being refused.
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";
import { type Identity, SIGNATURE_BYTES, type SignatureDomain, verify } from "../crypto/mod.ts";
import { type CborMap, decodeCbor, decodeCborMap, encodeCbor } from "../wire/mod.ts";

/** A signed object that is well-formed; its signature is not yet verified. */
export interface Envelope {
  readonly body: Uint8Array;
  readonly map: CborMap;
  readonly signature: Uint8Array;
}

/** Signs a map. The bytes belong to the caller. */
export function signMap(signer: Identity, domain: SignatureDomain, map: CborMap): Uint8Array {
  const body = encodeCbor(map);
  return encodeCbor([body, signer.sign(domain, body)]);
}

/** Opens hostile bytes; shares no memory with them. */
export function openEnvelope(
  bytes: Uint8Array,
  bytesMax: number,
): Result<Envelope, "malformed"> {
  const decoded = decodeCbor(bytes, { bytesMax });
  if (!decoded.ok || !Array.isArray(decoded.value)) return fail("malformed");
  const [body, signature, ...rest] = decoded.value;
  if (!(body instanceof Uint8Array) || !(signature instanceof Uint8Array)) return fail("malformed");
  if (signature.length !== SIGNATURE_BYTES || rest.length > 0) return fail("malformed");
  const map = decodeCborMap(body, { bytesMax });
  return map.ok ? ok({ body, map: map.value, signature }) : fail("malformed");
}

/** Whether `key` signed the envelope in that domain. */
export function isSignedBy(
  envelope: Envelope,
  key: Uint8Array,
  domain: SignatureDomain,
): boolean {
  return verify(key, domain, envelope.body, envelope.signature);
}
