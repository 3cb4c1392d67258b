/**
 * Waiting that can be given up.
 *
 * @module
 */

/**
 * The task's outcome; the signal's reason, as `told`, where it is aborted before. The task goes on.
 */
export async function orAborted<T>(
  task: Promise<T>,
  signal: AbortSignal,
  told: (reason: unknown) => unknown = (reason) => reason,
): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {}); // The race may be over.
  const onAbort = () => reject(told(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([task, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** How a task went that was waited for with a clock in the hand. */
export type Within<T> =
  | { readonly type: "done"; readonly value: T }
  | { readonly type: "failed"; readonly error: unknown }
  | { readonly type: "late" };

/** The task's outcome, or that it took longer than `ms`; then `undo` gets what it still comes to. */
export async function within<T>(
  ms: number,
  task: Promise<T>,
  undo: (value: T) => void,
): Promise<Within<T>> {
  const late = Promise.withResolvers<Within<T>>();
  const timer = setTimeout(() => late.resolve({ type: "late" }), ms);
  const outcome = task.then(
    (value): Within<T> => ({ type: "done", value }),
    (error): Within<T> => ({ type: "failed", error }),
  );
  try {
    const first = await Promise.race([outcome, late.promise]);
    if (first.type === "late") {
      void outcome.then((done) => done.type === "done" && undo(done.value));
    }
    return first;
  } finally {
    clearTimeout(timer);
  }
}
