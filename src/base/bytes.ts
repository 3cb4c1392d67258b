/**
 * Byte strings: hex, base32 (RFC 4648 alphabet, lower case, no padding), joining, comparing.
 *
 * @example
 * ```ts
 * toHex(concatBytes(Uint8Array.of(1), Uint8Array.of(2))); // "0102"
 * fromHex("01 02"); // undefined
 * fromBase32(toBase32(Uint8Array.of(7))); // Uint8Array [7]
 * ```
 *
 * @module
 */

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** Joins byte strings into a new one. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Whether two byte strings are equal. Not constant time: never use it for secrets or tags. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Lower-case hex of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** Bytes of a hex string of even length, or `undefined` where it is not one. */
export function fromHex(text: string): Uint8Array | undefined {
  return /^(?:[0-9a-fA-F]{2})*$/.test(text) ? Uint8Array.fromHex(text) : undefined;
}

/** Base32 of `bytes`: RFC 4648 §6 alphabet in lower case, without padding. */
export function toBase32(bytes: Uint8Array): string {
  let text = "";
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(buffer >> bits) & 31];
    }
    buffer &= (1 << bits) - 1;
  }
  return bits > 0 ? text + BASE32[(buffer << (5 - bits)) & 31] : text;
}

/** Bytes of a base32 text, or `undefined` where it is not the one canonical form. */
export function fromBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let buffer = 0;
  let bits = 0;
  let offset = 0;
  for (const letter of text) {
    const value = BASE32.indexOf(letter);
    if (value < 0) return undefined;
    buffer = (buffer << 5) | value;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[offset++] = (buffer >> bits) & 255;
    buffer &= (1 << bits) - 1;
  }
  return buffer === 0 && bits < 5 ? bytes : undefined;
}
