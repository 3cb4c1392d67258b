/**
 * Pings and pongs: the payloads inside a session that prove a path and tell the other side the
 * address from which it was seen. A pong is never larger than the ping that it answers.
 *
 * ```text
 * ping  01 | nonce 8 | zero padding to 64
 * pong  02 | nonce 8 | length 1 | observed address as text (empty on a relayed path)
 * ```
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";

/** First payload byte of a ping. */
export const PING = 1;
/** First payload byte of a pong. */
export const PONG = 2;
/** Bytes of a nonce: 64 random bits tie a pong to its ping. */
export const NONCE_BYTES = 8;
/** Bytes of every ping, so that the longest pong (46 letters of address) is no larger. */
export const PING_BYTES = 64;

const ADDRESS_AT = 1 + NONCE_BYTES + 1;
const ADDRESS_BYTES_MAX = PING_BYTES - ADDRESS_AT;

/** A parsed ping or pong; `nonce` is a copy. */
export type Probe =
  | { readonly type: "ping"; readonly nonce: Uint8Array }
  | { readonly type: "pong"; readonly nonce: Uint8Array; readonly observed: string | null };

/** The payload of a ping with this 8-byte nonce. */
export function encodePing(nonce: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PING_BYTES);
  bytes[0] = PING;
  bytes.set(nonce, 1);
  return bytes;
}

/** The payload of the pong to `nonce`, telling the `observed` address (`null`: relayed). */
export function encodePong(nonce: Uint8Array, observed: string | null): Uint8Array {
  const text = new TextEncoder().encode(observed ?? "").subarray(0, ADDRESS_BYTES_MAX);
  const bytes = new Uint8Array(ADDRESS_AT + text.length);
  bytes[0] = PONG;
  bytes.set(nonce, 1);
  bytes[1 + NONCE_BYTES] = text.length;
  bytes.set(text, ADDRESS_AT);
  return bytes;
}

/** Parses a ping or pong; the observed address is text that the caller must still check. */
export function parseProbe(bytes: Uint8Array): Result<Probe, "malformed-probe"> {
  const nonce = bytes.slice(1, 1 + NONCE_BYTES);
  if (nonce.length < NONCE_BYTES) return fail("malformed-probe");
  if (bytes[0] === PING && bytes.length >= PING_BYTES) return ok({ type: "ping", nonce });
  if (bytes[0] !== PONG) return fail("malformed-probe");
  const length = bytes[1 + NONCE_BYTES] ?? 255;
  if (length > ADDRESS_BYTES_MAX || bytes.length < ADDRESS_AT + length) {
    return fail("malformed-probe");
  }
  const text = new TextDecoder().decode(bytes.subarray(ADDRESS_AT, ADDRESS_AT + length));
  return ok({ type: "pong", nonce, observed: text === "" ? null : text });
}
