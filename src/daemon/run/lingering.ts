/**
 * Ends a background node some time after its last use: the linger machine with a clock.
 *
 * @module
 */
import { type LingerIn, LingerMachine, type LingerOut, type NodeMode } from "../../node/mod.ts";
import type { Clock, Timers } from "../ports.ts";

/** On what lingering stands. */
export interface LingeringParts {
  readonly mode: NodeMode;
  readonly lingerMs: number;
  readonly clock: Pick<Clock, "now">;
  readonly timers: Pick<Timers, "after">;
  /** The node is to end. */
  onEnd(): void;
}

/** The use of a running node. */
export class Lingering {
  readonly #parts: LingeringParts;
  readonly #machine: LingerMachine;
  #void: () => void = () => {};

  constructor(parts: LingeringParts) {
    this.#parts = parts;
    const { mode, lingerMs, clock } = parts;
    this.#machine = new LingerMachine({ mode, lingerMs, now: clock.now() });
  }

  /** Something used the node, or uses it no more. */
  step(input: LingerIn): void {
    const { clock, timers, onEnd } = this.#parts;
    const out: LingerOut[] = [];
    this.#machine.handle(input, clock.now(), out);
    if (out.length > 0) return onEnd();
    this.#void();
    const at = this.#machine.wakeup()?.at;
    if (at === undefined) return;
    this.#void = timers.after(Math.max(0, at - clock.now()), () => this.step({ type: "wake" }));
  }

  /** The names of what must not be cut. */
  busy(): string[] {
    return this.#machine.busy();
  }
}
