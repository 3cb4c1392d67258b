/**
 * A map that cannot grow past its limit: when it is full, the entry that was used least recently
 * goes, or the newcomer is refused, as its maker chose.
 *
 * @example
 * ```ts
 * const seen = new BoundedMap<string, number>(2, "evict-oldest");
 * seen.set("a", 1);
 * seen.set("b", 2);
 * seen.set("a", 3); // "a" is the newest now
 * seen.set("c", 4); // "b" goes
 * const held = new BoundedMap<string, number>(1, "refuse");
 * held.set("a", 1); // true
 * held.set("b", 2); // false: nothing is stored
 * ```
 *
 * @module
 */

/** What a full map does with a new key. */
export type WhenFull = "evict-oldest" | "refuse";

/** A map with a named limit and a rule for when it is full. */
export class BoundedMap<K, V> implements Iterable<[K, V]> {
  readonly #entries = new Map<K, V>();
  readonly #limit: number;
  readonly #whenFull: WhenFull;

  /**
   * @param limit Entries at most, 1 or more.
   * @throws {RangeError} On any other limit.
   */
  constructor(limit: number, whenFull: WhenFull) {
    if (!Number.isInteger(limit) || limit < 1) {
      throw new RangeError(`Cannot bound a map: limit is ${limit}`);
    }
    this.#limit = limit;
    this.#whenFull = whenFull;
  }

  /** Entries held, 0 to the limit. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value, whose place in the order stays. */
  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

  /** Whether the key is held. */
  has(key: K): boolean {
    return this.#entries.has(key);
  }

  /** Stores the entry as the newest; returns whether there was room for it. */
  set(key: K, value: V): boolean {
    const known = this.#entries.delete(key);
    if (!known && this.#entries.size >= this.#limit) {
      if (this.#whenFull === "refuse") return false;
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(key, value);
    return true;
  }

  /** Forgets the key; whether it was held. */
  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  /** The keys, in the order in which they were stored last. */
  keys(): IterableIterator<K> {
    return this.#entries.keys();
  }

  /** The values, in the order in which they were stored last. */
  values(): IterableIterator<V> {
    return this.#entries.values();
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return this.#entries[Symbol.iterator]();
  }
}
