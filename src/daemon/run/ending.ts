/**
 * How a node ends, and what must not end it.
 *
 * @module
 */

/** Notes a defect: what met it, and where. */
export type OnDefect = (error: unknown, where: string) => void;

/** What was opened, to be closed in reverse. */
export class Closers {
  readonly #closers: (() => unknown)[] = [];

  push(...closers: (() => unknown)[]): void {
    this.#closers.push(...closers);
  }

  /** Closes everything; what cannot be closed keeps nothing else open. @throws the first failure. */
  async close(onDefect: OnDefect): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.toReversed()) {
      try {
        await close();
      } catch (error) {
        onDefect(error, "at its end");
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/**
 * VMs hang on this process: a promise that nobody waited for, and what a timer throws, is a defect and not
 * its end. What is returned ends that.
 */
export function outliveStrays(onDefect: OnDefect): () => void {
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    onDefect(event.reason, "in the background");
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    onDefect(event.error, "in a timer");
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  globalThis.addEventListener("error", onError);
  return () => {
    globalThis.removeEventListener("unhandledrejection", onRejection);
    globalThis.removeEventListener("error", onError);
  };
}
