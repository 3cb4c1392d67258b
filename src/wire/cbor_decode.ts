/**
 * The strict decoder of our CBOR profile: it accepts exactly the bytes that `encodeCbor` makes, so
 * that one value has one encoding and a parser downstream meets no surprise.
 *
 * Refused, each with its reason: longer heads than needed, indefinite lengths, tags, floats,
 * `undefined`, keys that are unsorted, doubled or not text, ill-formed UTF-8, nesting beyond
 * `CBOR_DEPTH_MAX`, bytes after the value. Declared lengths are checked against what is left before
 * anything is allocated.
 *
 * @example
 * ```ts
 * decodeCbor(Uint8Array.of(0x18, 0x18), { bytesMax: 64 }); // { ok: true, value: 24 }
 * decodeCbor(Uint8Array.of(0x18, 0x17), { bytesMax: 64 }); // { ok: false, reason: "not-canonical" }
 * ```
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";
import { CBOR_DEPTH_MAX, CBOR_KEY_REFUSED, type CborValue, compareKeys } from "./cbor.ts";

/** Why bytes are not a value of the profile. */
export type CborFault =
  | "too-long"
  | "truncated"
  | "trailing"
  | "not-canonical"
  | "unsupported"
  | "out-of-range"
  | "bad-text"
  | "bad-key"
  | "too-deep";

/** Limits of one decoding. */
export interface DecodeLimits {
  /** The longest input that is looked at, in bytes. */
  readonly bytesMax: number;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes one value that fills `bytes` whole.
 *
 * @param bytes Hostile input; the result shares no memory with it.
 * @returns The value, or the reason why there is none. Never throws.
 */
export function decodeCbor(bytes: Uint8Array, limits: DecodeLimits): Result<CborValue, CborFault> {
  if (bytes.length > limits.bytesMax) return fail("too-long");
  const reader = new Reader(bytes);
  try {
    const value = reader.value(0);
    return reader.left === 0 ? ok(value) : fail("trailing");
  } catch (fault) {
    if (fault instanceof Fault) return fail(fault.reason);
    throw fault;
  }
}

/** Leaves the recursion early; never seen outside of this file. */
class Fault {
  constructor(readonly reason: CborFault) {}
}

class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  value(depth: number): CborValue {
    if (depth > CBOR_DEPTH_MAX) throw new Fault("too-deep");
    const first = this.#byte();
    const major = first >> 5;
    if (major === 7) return simple(first);
    if (major === 6) throw new Fault("unsupported");
    return this.#structured(major, this.#argument(first & 31), depth);
  }

  #structured(major: number, argument: number, depth: number): CborValue {
    switch (major) {
      case 0:
        return argument;
      case 1:
        return this.#negative(argument);
      case 2:
        return this.#take(argument).slice();
      case 3:
        return this.#text(argument);
      case 4:
        return this.#array(argument, depth);
      default:
        return this.#map(argument, depth);
    }
  }

  #negative(argument: number): number {
    const value = -1 - argument;
    if (!Number.isSafeInteger(value)) throw new Fault("out-of-range");
    return value;
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    try {
      return strictUtf8.decode(bytes);
    } catch {
      throw new Fault("bad-text"); // TextDecoder says only that it failed
    }
  }

  #array(count: number, depth: number): CborValue {
    if (count > this.left) throw new Fault("truncated");
    const items: CborValue[] = [];
    for (let i = 0; i < count; i++) items.push(this.value(depth + 1));
    return items;
  }

  #map(count: number, depth: number): CborValue {
    if (count > this.left / 2) throw new Fault("truncated");
    const map: Record<string, CborValue> = {};
    let previous: Uint8Array | undefined;
    for (let i = 0; i < count; i++) {
      const { key, bytes } = this.#key();
      if (previous && compareKeys(previous, bytes) >= 0) throw new Fault("not-canonical");
      previous = bytes;
      map[key] = this.value(depth + 1);
    }
    return map;
  }

  #key(): { key: string; bytes: Uint8Array } {
    const first = this.#byte();
    if (first >> 5 !== 3) throw new Fault("bad-key");
    const length = this.#argument(first & 31);
    const start = this.#offset;
    const key = this.#text(length);
    if (key === CBOR_KEY_REFUSED) throw new Fault("bad-key");
    return { key, bytes: this.#bytes.subarray(start, this.#offset) };
  }

  /** The argument of a head; only its shortest form, and only up to 2^53 - 1. */
  #argument(low: number): number {
    if (low < 24) return low;
    if (low > 27) throw new Fault("unsupported"); // reserved, or an indefinite length
    const width = 1 << (low - 24);
    let argument = 0;
    for (const byte of this.#take(width)) argument = argument * 256 + byte;
    if (argument < (width === 1 ? 24 : 2 ** (4 * width))) throw new Fault("not-canonical");
    if (!Number.isSafeInteger(argument)) throw new Fault("out-of-range");
    return argument;
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw new Fault("truncated");
    this.#offset++;
    return byte;
  }

  #take(count: number): Uint8Array {
    if (count > this.left) throw new Fault("truncated");
    this.#offset += count;
    return this.#bytes.subarray(this.#offset - count, this.#offset);
  }
}

function simple(first: number): CborValue {
  switch (first) {
    case 0xf4:
      return false;
    case 0xf5:
      return true;
    case 0xf6:
      return null;
    default:
      throw new Fault("unsupported");
  }
}
