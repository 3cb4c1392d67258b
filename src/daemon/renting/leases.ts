/**
 * How rented VMs stand, as their providers say, and longer leases for them. Signs of life are the book's:
 * they come by themselves.
 *
 * @module
 */
import type { NetworkId } from "../../base/mod.ts";
import { byLife, byProvider, isOver, providerOf, type Rental } from "../../market/mod.ts";
import type { RentingPorts } from "./ports.ts";
import type { Rentals } from "./rentals.ts";

/** How long `list` and `status` wait for providers. Source: the command line's contract. */
const CHECK_MS = 2_000;

/** Asks providers about what is rented of them. */
export class Leases {
  readonly #ports: Pick<RentingPorts, "calls" | "timers">;
  readonly #rentals: Rentals;

  constructor(ports: Pick<RentingPorts, "calls" | "timers">, rentals: Rentals) {
    this.#ports = ports;
    this.#rentals = rentals;
  }

  /** All VMs that are remembered, living ones first, then the newest ends; asked of their providers. */
  async list(network: NetworkId | null): Promise<Rental[]> {
    const meant = this.#rentals.book.list().filter((rental) => {
      return network === null || rental.network === network;
    });
    await this.check(meant);
    return meant.map((rental) => this.#rentals.latest(rental)).toSorted(byLife);
  }

  /** One VM, asked of its provider. @throws {OmertaError} `not-found`, `ambiguous`. */
  async status(name: string | null): Promise<Rental> {
    const rental = this.#rentals.find(name);
    await this.check([rental]);
    return this.#rentals.latest(rental);
  }

  /**
   * Moves the end of the lease to now + `leaseMs` at least.
   *
   * @throws {OmertaError} `not-found`, `ambiguous`, `lease-ended`, why the provider did not.
   */
  async extend(name: string | null, leaseMs: number, signal: AbortSignal): Promise<Rental> {
    const rental = this.#rentals.findLiving(name);
    const peer = providerOf(rental);
    const question = { vm: rental.id, leaseMs };
    const word = await this.#ports.calls.ask(peer, "vm.extend", question, { signal });
    this.#rentals.take({ type: "told", from: peer, word });
    return this.#rentals.latest(rental);
  }

  /** Asks the providers how it stands; those that do not answer in time leave what was known. */
  async check(rentals: readonly Rental[]): Promise<void> {
    const { calls, timers } = this.#ports;
    const options = { signal: timers.signal(CHECK_MS), timeoutMs: CHECK_MS };
    const asked = rentals.filter(({ state }) => !isOver(state));
    await Promise.allSettled(
      byProvider(asked).map(async ([peer, own]) => {
        const vms = own.map(({ id }) => id);
        const { vms: words } = await calls.ask(peer, "vm.status", { vms }, options);
        this.#rentals.take({ type: "answered", from: peer, asked: vms, words });
      }),
    );
  }
}
