/**
 * The values of our CBOR profile and their one encoding: RFC 8949 §4.2.1 (core deterministic), which
 * is shortest heads, definite lengths, and map keys sorted by their encoded bytes.
 *
 * ```text
 *   null f6 · false f4 · true f5 · integers 00.. 20.. (safe range) · bytes 40.. · text 60..
 *   arrays 80.. · maps a0.. with text keys only
 * ```
 *
 * No tags, no floats, no `undefined`, no key `__proto__`. Signatures are made and checked over bytes
 * as they were received, never over a second encoding.
 *
 * @example
 * ```ts
 * encodeCbor({ b: 1, a: [true, null] }); // a2 61 61 82 f5 f6 61 62 01: keys are sorted
 * encodeCbor(1.5); // throws TypeError
 * ```
 *
 * @module
 */

/** A value of the profile. Maps are plain objects; a key that is absent is absent, never `undefined`. */
export type CborValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborValue[]
  | CborMap;

/** A map of the profile: text keys only. */
export type CborMap = { readonly [key: string]: CborValue };

/** How deeply arrays and maps may be nested; the same for both directions. Guess: we need 4. */
export const CBOR_DEPTH_MAX = 16;

/** Key that would set an object's prototype instead of an entry: refused in both directions. */
export const CBOR_KEY_REFUSED = "__proto__";

const utf8 = new TextEncoder();

/**
 * Encodes a value deterministically.
 *
 * @param value A value of the profile.
 * @returns Fresh bytes, owned by the caller.
 * @throws {TypeError} When the value is not of the profile (a float, `undefined`, ill-formed text…).
 */
export function encodeCbor(value: CborValue): Uint8Array {
  const sink = new Sink();
  encodeValue(value, sink, 0);
  return sink.take();
}

function encodeValue(value: CborValue, sink: Sink, depth: number): void {
  if (depth > CBOR_DEPTH_MAX) throw new TypeError(`Cannot encode value: deeper than ${depth - 1}`);
  if (value === null) return sink.byte(0xf6);
  switch (typeof value) {
    case "boolean":
      return sink.byte(value ? 0xf5 : 0xf4);
    case "number":
      return encodeInteger(value, sink);
    case "string":
      return encodeText(value, sink);
    case "object":
      return encodeObject(value, sink, depth);
    default:
      throw new TypeError(`Cannot encode value: it is ${typeof value}`);
  }
}

function encodeInteger(value: number, sink: Sink): void {
  if (!Number.isSafeInteger(value)) {
    throw new TypeError(`Cannot encode number: ${value} is not a safe integer`);
  }
  if (value >= 0) sink.head(0, value);
  else sink.head(1, -1 - value);
}

function encodeText(text: string, sink: Sink): void {
  if (!text.isWellFormed()) throw new TypeError("Cannot encode text: it has a lone surrogate");
  const bytes = utf8.encode(text);
  sink.head(3, bytes.length);
  sink.bytes(bytes);
}

function encodeObject(
  value: Uint8Array | readonly CborValue[] | CborMap,
  sink: Sink,
  depth: number,
): void {
  if (value instanceof Uint8Array) {
    sink.head(2, value.length);
    return sink.bytes(value);
  }
  if (Array.isArray(value)) {
    sink.head(4, value.length);
    for (const item of value) encodeValue(item, sink, depth + 1);
    return;
  }
  encodeMap(value as CborMap, sink, depth);
}

function encodeMap(map: CborMap, sink: Sink, depth: number): void {
  const keys = Object.keys(map).map((key) => ({ key, bytes: utf8.encode(key) }));
  keys.sort((a, b) => compareKeys(a.bytes, b.bytes));
  sink.head(5, keys.length);
  for (const { key } of keys) {
    if (key === CBOR_KEY_REFUSED) throw new TypeError(`Cannot encode map: its key is ${key}`);
    encodeText(key, sink);
    encodeValue(map[key] as CborValue, sink, depth + 1);
  }
}

/** Orders text keys by their encoded form: the head makes a shorter key come first. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** A growing output. */
class Sink {
  #buffer = new Uint8Array(256);
  #length = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  /** The shortest head of a major type with its argument. */
  head(major: number, argument: number): void {
    const type = major << 5;
    if (argument < 24) return this.byte(type | argument);
    if (argument < 0x100) return this.#number(type | 24, argument, 1);
    if (argument < 0x10000) return this.#number(type | 25, argument, 2);
    if (argument < 0x100000000) return this.#number(type | 26, argument, 4);
    this.#number(type | 27, argument, 8);
  }

  take(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  #number(first: number, value: number, width: number): void {
    this.byte(first);
    for (let shift = width - 1; shift >= 0; shift--) {
      this.byte(Math.floor(value / 2 ** (8 * shift)) % 256);
    }
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + count));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}
