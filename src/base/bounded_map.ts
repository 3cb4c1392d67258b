/**
 * A map that cannot grow past its limit: when it is full, the entry that was used least recently
 * goes, or the newcomer is refused, as its maker chose.
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

  constructor(limit: number, whenFull: WhenFull) {
    if (!Number.isInteger(limit) || limit < 1) {
      throw new RangeError(`Cannot bound a map: limit is ${limit}`);
    }
    this.#limit = limit;
    this.#whenFull = whenFull;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

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

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  keys(): IterableIterator<K> {
    return this.#entries.keys();
  }

  values(): IterableIterator<V> {
    return this.#entries.values();
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return this.#entries[Symbol.iterator]();
  }
}
