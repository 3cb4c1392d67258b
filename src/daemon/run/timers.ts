/**
 * The host's timers and clocks, as ports.
 *
 * @module
 */
import { monotonicNow, wallNowMs } from "../../host/system.ts";
import type { Clock, Timers } from "../ports.ts";

/** Both clocks of this machine. */
export const HOST_CLOCK: Clock = { now: monotonicNow, wallMs: wallNowMs };

/** Timers that end with the node: closed, none of them acts any more. */
export class HostTimers implements Timers {
  readonly #pending = new Set<ReturnType<typeof setTimeout>>();
  #closed = false;

  after(ms: number, act: () => void): () => void {
    if (this.#closed) return () => {};
    const timer = setTimeout(() => {
      this.#pending.delete(timer);
      act();
    }, ms);
    this.#pending.add(timer);
    return () => {
      this.#pending.delete(timer);
      clearTimeout(timer);
    };
  }

  signal(ms: number): AbortSignal {
    return AbortSignal.timeout(ms);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#pending) clearTimeout(timer);
    this.#pending.clear();
  }
}
