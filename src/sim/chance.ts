/**
 * Randomness by name: whatever draws has a source of its own, made from the seed of the run and its name.
 * So a host's keys and its luck do not change with who else is there, or in which order all were made.
 *
 * @module
 */
import { type Random, seededRandom } from "../base/mod.ts";
import { sha256 } from "../crypto/mod.ts";

const utf8 = new TextEncoder();

/** Thirty-two bytes that hang on seed and name alone. */
export function bytesOf(seed: number, name: string): Uint8Array {
  return sha256(utf8.encode(`omerta sim ${seed} ${name}`));
}

/** A source of random bytes for what bears that name. */
export function randomOf(seed: number, name: string): Random {
  return seededRandom(numberOf(seed, name));
}

/** The lot of what bears that name: 53 bits, so that no two have the same. */
export function lotOf(seed: number, name: string): number {
  const bytes = bytesOf(seed, `lot ${name}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return view.getUint32(0) * 2 ** 21 + (view.getUint32(4) >>> 11);
}

/** A number of 32 bits that hangs on seed and name alone. */
export function numberOf(seed: number, name: string): number {
  const bytes = bytesOf(seed, name);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}

/**
 * Chances, as numbers from 0 up to 1. Source: mulberry32, a public-domain generator by Tommy Ettinger:
 * one addition and two multiplications, for what is drawn for every datagram.
 */
export class Chance {
  #state: number;

  constructor(seed: number, name: string) {
    this.#state = numberOf(seed, name);
  }

  /** A number in [0, 1). */
  draw(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Whether something of that chance happens. What cannot happen, or must, draws nothing. */
  happens(chance: number): boolean {
    return chance > 0 && (chance >= 1 || this.draw() < chance);
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.draw() * (max - min + 1));
  }
}
