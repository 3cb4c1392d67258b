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
