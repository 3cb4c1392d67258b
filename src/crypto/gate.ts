/**
 * The outer gate of a handshake: what a member knows and a stranger does not. From one 32-byte secret
 * (a network's epoch key, or an invite's secret) come three values:
 *
 * - `selector`: 8 bytes in the clear, by which a responder finds the secret in O(1);
 * - `macKey`: proves a first message before any Diffie-Hellman is done for it;
 * - `psk`: Noise's pre-shared key.
 *
 * It keeps strangers cheap; who a peer is, signatures and certificates say.
 *
 * @module
 */
import { hkdfSha256, hmacSha256, sha256, timingSafeEqual } from "./hash.ts";

/** What one gate secret derives to. */
export interface GateKey {
  /** 8 bytes. */
  readonly selector: Uint8Array;
  /** 32 bytes. */
  readonly macKey: Uint8Array;
  /** 32 bytes. */
  readonly psk: Uint8Array;
}

/** Bytes of a selector. */
export const SELECTOR_BYTES = 8;
/** Bytes of the MAC that ends a first handshake message. */
export const GATE_MAC_BYTES = 16;

const utf8 = new TextEncoder();

/** Derives selector, MAC key and psk. @throws {RangeError} When the secret has not 32 bytes. */
export function deriveGateKey(secret: Uint8Array): GateKey {
  if (secret.length !== 32) {
    throw new RangeError(`Cannot derive: secret has ${secret.length} bytes`);
  }
  const derive = (label: string) => hkdfSha256(secret, { info: utf8.encode(label), bytes: 32 });
  return {
    selector: sha256(utf8.encode("omerta/1 sel"), secret).slice(0, SELECTOR_BYTES),
    macKey: derive("omerta/1 mac"),
    psk: derive("omerta/1 psk"),
  };
}

/** The MAC over a first message without its last 16 bytes. */
export function gateMac(macKey: Uint8Array, message: Uint8Array): Uint8Array {
  return hmacSha256(macKey, message).slice(0, GATE_MAC_BYTES);
}

/** Whether a whole first message ends in the right MAC. */
export function isGateMacGood(macKey: Uint8Array, datagram: Uint8Array): boolean {
  const split = datagram.length - GATE_MAC_BYTES;
  return split >= 0 &&
    timingSafeEqual(datagram.subarray(split), gateMac(macKey, datagram.subarray(0, split)));
}
