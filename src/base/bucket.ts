/**
 * Token buckets: how much of something may be had, a burst at once and so much a second after it. And
 * bounded tables of them, in which nobody gets a full bucket anew by having others pushed out.
 *
 * @example
 * ```ts
 * const askers = new Buckets<PeerKey>({ perS: 10, burst: 50 }, 4_096);
 * if (!askers.take(peer, 1, now)) return refuse(); // the peer spent its share
 * ```
 *
 * @module
 */
import { BoundedMap } from "./bounded_map.ts";
import type { Instant } from "./machine.ts";

/** A rate with room for a burst. */
export interface Rate {
  /** What comes again in a second; more than 0. */
  readonly perS: number;
  /** What may be had at once: the most that a bucket holds. */
  readonly burst: number;
}

/** What sums of fractions may lack. */
const ROUNDING = 1e-6;

/** One bucket; it begins full. */
export class Bucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: Instant;

  constructor(rate: Rate, now: Instant) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** Whether so much is there. */
  has(cost: number, now: Instant): boolean {
    this.#refill(now);
    return this.#tokens >= cost;
  }

  /** Takes so much, or nothing where less is there. */
  take(cost: number, now: Instant): boolean {
    if (!this.has(cost, now)) return false;
    this.#tokens -= cost;
    return true;
  }

  /** Whether nothing was taken that has not come again: then it may as well be forgotten. */
  isFull(now: Instant): boolean {
    return this.has(this.#rate.burst - ROUNDING, now);
  }

  #refill(now: Instant): void {
    const elapsedS = Math.max(0, now - this.#at) / 1_000;
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + elapsedS * this.#rate.perS);
    this.#at = now;
  }
}

/**
 * Buckets by key. Where there is no room, one that is full again gives way; where none of the longest
 * unused is, the newcomer gets nothing.
 */
export class Buckets<K> {
  readonly #rate: Rate;
  readonly #limit: number;
  readonly #buckets: BoundedMap<K, Bucket>;

  /** @param limit Buckets that are held at most: those that are not full. */
  constructor(rate: Rate, limit: number) {
    this.#rate = rate;
    this.#limit = limit;
    this.#buckets = new BoundedMap(limit, "refuse");
  }

  /** Whether the key's bucket holds so much. */
  has(key: K, cost: number, now: Instant): boolean {
    const known = this.#buckets.get(key);
    return known === undefined ? this.#hasRoom(now) : known.has(cost, now);
  }

  /** Takes so much from the key's bucket, or nothing. */
  take(key: K, cost: number, now: Instant): boolean {
    const known = this.#buckets.get(key);
    if (known === undefined && !this.#hasRoom(now)) return false;
    const bucket = known ?? new Bucket(this.#rate, now);
    this.#buckets.set(key, bucket);
    return bucket.take(cost, now);
  }

  /** Makes room where there is none: the entries are in the order of their last use. */
  #hasRoom(now: Instant): boolean {
    if (this.#buckets.size < this.#limit) return true;
    for (const [key, bucket] of this.#buckets) {
      return bucket.isFull(now) && this.#buckets.delete(key);
    }
    return false;
  }
}
