/**
 * The shape of every core: a pure state machine. Inputs go in, outputs come out, and one timer says
 * when the machine wants to be woken and why. No clock, no socket, no randomness of its own.
 *
 * @example
 * ```ts
 * machine.handle({ type: "wake" }, now, out);
 * for (const output of out.splice(0)) perform(output);
 * const next = machine.wakeup(); // { at: 1250, why: "ping 203.0.113.7:9000" }
 * ```
 *
 * @module
 */

/** Monotonic milliseconds since an origin that only the host knows. */
export type Instant = number & { readonly __brand: "Instant" };

/** When a machine wants its next `wake` input, and the reason, for logs and simulations. */
export interface Wakeup {
  readonly at: Instant;
  readonly why: string;
}

/** A deterministic state machine without IO. */
export interface Machine<In, Out> {
  /** Takes one input and appends what must be done to `out`. Never throws on hostile input. */
  handle(input: In, now: Instant, out: Out[]): void;
  /** The single timer of the machine, or `undefined` when it waits for input only. */
  wakeup(): Wakeup | undefined;
}

/** `instant` moved by `ms` milliseconds. */
export function after(instant: Instant, ms: number): Instant {
  return (instant + ms) as Instant;
}

/** The earlier of two optional wake-up times. */
export function earlier(a: Wakeup | undefined, b: Wakeup | undefined): Wakeup | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return b.at < a.at ? b : a;
}

/** Marks the end of an exhaustive `switch`: compiling it proves that every case is handled. */
export function unreachable(value: never): never {
  throw new TypeError(`Cannot handle value: ${JSON.stringify(value)}`);
}
