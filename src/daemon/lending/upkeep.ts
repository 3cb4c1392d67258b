/**
 * What a provider does by the clock: it ends VMs whose time is over, tells deadlines, tries again what is
 * stuck, and forgets what ended long ago. One timer, for whatever is due first.
 *
 * @module
 */
import { after, type Instant } from "../../base/mod.ts";
import { attempt } from "../../host/attempt.ts";
import type { HostVm } from "../../market/mod.ts";
import type { Ending } from "./ending.ts";
import type { Leases } from "./leases.ts";
import type { Ledger } from "./ledger.ts";
import type { Machines } from "./machines.ts";
import type { LendingPorts } from "./ports.ts";

/** Ended VMs are remembered on the disk for so long. Guess: a day. */
const ENDED_KEPT_MS = 86_400_000;
/** Ended VMs pile up no further than this between two sweeps. */
const SWEEP_EVERY_MS = 30_000;
/** What is stuck is tried again so often. Guess: each try takes up to 3 s. */
const STUCK_AGAIN_MS = 5_000;

/** On what upkeep stands. */
export interface UpkeepParts {
  readonly ports: LendingPorts;
  readonly ledger: Ledger;
  readonly leases: Leases;
  readonly machines: Machines;
  readonly ending: Ending;
}

/** The clockwork of a provider. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  #cancel: () => void = () => {};
  #sweepAt: Instant;
  #ended = false;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    this.#sweepAt = after(parts.ports.clock.now(), SWEEP_EVERY_MS);
  }

  /** Something is due at another time than before. */
  arm(): void {
    this.#cancel();
    if (this.#ended) return;
    const { ledger, ports } = this.#parts;
    const dues = [ledger.book.wakeup()?.at, ledger.renewals.dueAt(), this.#sweepAt];
    const at = Math.min(...dues.map((due) => due ?? Infinity));
    const waitMs = Math.max(0, at - ports.clock.now());
    this.#cancel = ports.timers.after(waitMs, () => this.#due());
  }

  /** Something is stuck: it is tried again soon. */
  sweepSoon(): void {
    const soon = after(this.#parts.ports.clock.now(), STUCK_AGAIN_MS);
    if (soon < this.#sweepAt) this.#sweepAt = soon;
    this.arm();
  }

  /** Does nothing any more. */
  end(): void {
    this.#ended = true;
    this.#cancel();
  }

  #due(): void {
    const { ending, leases, ledger, ports } = this.#parts;
    for (const { vm, stop } of ledger.book.expire(ports.clock.now())) {
      if (stop) ports.tasks.background(`end VM ${vm.id}`, () => ending.stop(vm));
      else ledger.tell(vm.id);
    }
    leases.flush();
    if (ports.clock.now() >= this.#sweepAt) this.#sweep();
    this.arm();
  }

  #sweep(): void {
    const { clock, log, rows } = this.#parts.ports;
    const { book, hosted } = this.#parts.ledger;
    this.#sweepAt = after(clock.now(), SWEEP_EVERY_MS);
    for (const [id, { stuck }] of hosted) {
      const vm = book.get(id);
      if (vm === undefined) this.#parts.ledger.forget(id); // the book is bounded
      else if (stuck !== null) this.#tryAgain(vm);
    }
    attempt(log, "forget old VMs", () => rows.prune(clock.wallMs() - ENDED_KEPT_MS));
  }

  /** What is stuck may answer again; what should have ended is ended by force. */
  #tryAgain(vm: HostVm): void {
    const { ending, machines, ports } = this.#parts;
    const again = () => vm.state === "releasing" ? ending.stop(vm) : machines.takeUp(vm);
    ports.tasks.background(`try VM ${vm.id} again`, async () => void await again());
  }
}
