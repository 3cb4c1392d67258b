/**
 * Identities, signatures, key agreement, Noise handshakes, sealing. The only part that names
 * node:crypto; all of it is synchronous and deterministic.
 *
 * @module
 */
export { AEAD_KEY_BYTES, AEAD_TAG_BYTES, open, seal, type Sealing } from "./aead.ts";
export { KEY_BYTES } from "./der.ts";
export { isGoodPublicKey, SIGNATURE_BYTES } from "./ed25519.ts";
export * from "./gate.ts";
export * from "./hash.ts";
export * from "./identity.ts";
export * from "./noise.ts";
export * from "./x25519.ts";
