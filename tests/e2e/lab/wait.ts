/**
 * Waiting for what must come to be, each time with a deadline and a sentence that says for what.
 *
 * @module
 */

/** How often a condition is looked at that nothing announces. */
const LOOK_EVERY_MS = 40;

/**
 * Looks until `probe` gives something that is neither `undefined` nor `false`, and returns it.
 *
 * @throws {Error} with `what` and the last failure of the probe, when `withinMs` are over.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  withinMs = 30_000,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  do {
    try {
      const found = await probe();
      if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await delay(LOOK_EVERY_MS);
  } while (performance.now() < deadline);
  const why = last instanceof Error ? `: ${last.message}` : "";
  throw new Error(`After ${withinMs} ms not yet: ${what}${why}`);
}

/** The result of `promise`, or an error that names `what` when it has not come `withinMs`. */
export async function within<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`After ${withinMs} ms not yet: ${what}`)), withinMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
