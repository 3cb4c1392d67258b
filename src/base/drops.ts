/**
 * Counts what was dropped, by reason.
 *
 * @example
 * ```ts
 * const drops = new Drops<"short" | "bad-tag">();
 * drops.count("bad-tag");
 * drops.read(); // { "bad-tag": 1 }
 * ```
 *
 * @module
 */

/** Counters by reason. */
export class Drops<Reason extends string> {
  readonly #counts = new Map<Reason, number>();

  /** Counts one. */
  count(reason: Reason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  /** A copy of the counters; reasons that never occurred are absent. */
  read(): Partial<Record<Reason, number>> {
    return Object.fromEntries(this.#counts) as Partial<Record<Reason, number>>;
  }
}
