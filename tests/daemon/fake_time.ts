/**
 * Timers that run when a test says so. The real ones are put aside; `AbortSignal.timeout` stays real.
 *
 * @module
 */
import type { Instant } from "../../src/base/mod.ts";

interface Timer {
  readonly id: number;
  at: number;
  readonly everyMs: number | null;
  readonly run: () => void;
}

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
};
/** Far above the ids of real timers, which may be cleared as well. */
const FIRST_ID = 1_000_000_000;
/** Turns of the event loop after each timer, so that what it began goes on. Guess. */
const TURNS = 3;

/** The clock of a test. Dispose it: the real timers come back, and none may be left. */
export class FakeTime {
  #nowMs = 0;
  #nextId = FIRST_ID;
  readonly #timers = new Map<number, Timer>();

  constructor() {
    const set = (run: () => void, ms: number | undefined, isRepeated: boolean) => {
      const wait = Math.max(0, ms ?? 0);
      const id = this.#nextId++;
      const everyMs = isRepeated ? Math.max(1, wait) : null;
      this.#timers.set(id, { id, at: this.#nowMs + wait, everyMs, run });
      return id;
    };
    const clear = (id: number | undefined) => {
      if (id !== undefined && !this.#timers.delete(id)) real.clearTimeout(id);
    };
    Object.assign(globalThis, {
      setTimeout: (run: () => void, ms?: number) => set(run, ms, false),
      setInterval: (run: () => void, ms?: number) => set(run, ms, true),
      clearTimeout: clear,
      clearInterval: clear,
    });
  }

  get now(): Instant {
    return this.#nowMs as Instant;
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets so many milliseconds pass, with every timer at its moment. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    await settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#nowMs = Math.max(this.#nowMs, next.at);
      if (next.everyMs === null) this.#timers.delete(next.id);
      else next.at += next.everyMs;
      next.run();
      await settle();
    }
    this.#nowMs = end;
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, real);
  }

  #next(end: number): Timer | undefined {
    return [...this.#timers.values()].filter(({ at }) => at <= end).toSorted((a, b) =>
      a.at - b.at
    )[0];
  }
}

/** Lets what is under way and needs no timer go on: promises, and turns of the event loop. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) {
    await new Promise<void>((resolve) => void real.setTimeout(resolve, 0));
  }
}
