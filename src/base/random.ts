/**
 * Randomness as a value that is handed in: the host gives the system's, tests and simulations a
 * seeded one.
 *
 * @example
 * ```ts
 * const random = seededRandom(7); // the same bytes in every run
 * randomUint32(random); // 1 to 2³² - 1
 * shuffled(["a", "b", "c"], random); // drawn by lot
 * ```
 *
 * @module
 */

/** A source of random bytes. */
export interface Random {
  /** `count` fresh bytes, owned by the caller. */
  bytes(count: number): Uint8Array;
}

/** An unsigned 32-bit number from `random`, never 0, so that 0 can mean "none". */
export function randomUint32(random: Random): number {
  for (;;) {
    const bytes = random.bytes(4);
    const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
    if (value !== 0) return value;
  }
}

/** The items in an order drawn by lot. */
export function shuffled<T>(items: Iterable<T>, random: Random): T[] {
  const left = [...items];
  const drawn: T[] = [];
  while (left.length > 0) drawn.push(...left.splice(randomUint32(random) % left.length, 1));
  return drawn;
}

/**
 * A reproducible source for tests and simulations; never for keys that matter.
 * Source: xorshift128, Marsaglia 2003, "Xorshift RNGs" §3.1.
 */
export function seededRandom(seed: number): Random {
  const state = Uint32Array.of(seed, 362436069, 521288629, 88675123);
  const next = (): number => {
    const [x = 0, , , w = 0] = state;
    const t = x ^ (x << 11);
    state.copyWithin(0, 1);
    state[3] = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    return state[3] ?? 0;
  };
  return { bytes: (count) => Uint8Array.from({ length: count }, () => next() & 255) };
}
