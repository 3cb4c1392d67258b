/**
 * Giving rented VMs back.
 *
 * @module
 */
import { OmertaError, type VmId } from "../../base/mod.ts";
import { orAborted } from "../../host/waiting.ts";
import { providerOf, type Rental } from "../../market/mod.ts";
import type { Market } from "./ports.ts";
import type { Rentals } from "./rentals.ts";

/** What became of each VM that was to be released. */
export interface Released {
  readonly released: readonly VmId[];
  /** By id, or by what the person called it; and why. */
  readonly failed: readonly { readonly id: string; readonly error: unknown }[];
}

/** Ends VMs at the word of their person. */
export class Releases {
  readonly #market: Pick<Market, "nameOf">;
  readonly #rentals: Rentals;

  constructor(market: Pick<Market, "nameOf">, rentals: Rentals) {
    this.#market = market;
    this.#rentals = rentals;
  }

  /**
   * Ends VMs; what has ended is done. One whose provider is not reached is released when it is.
   *
   * @throws {OmertaError} `not-found`, `ambiguous` where none is named and not one alone lives.
   */
  async release(names: readonly string[], all: boolean, signal: AbortSignal): Promise<Released> {
    const released: VmId[] = [];
    const failed: { id: string; error: unknown }[] = [];
    const meant = this.#meant(names, all, (id, error) => failed.push({ id, error }));
    await Promise.all(meant.map(async (rental) => {
      try {
        await orAborted(this.#rentals.release(rental.id, "person"), signal);
        released.push(rental.id);
      } catch (error) {
        failed.push({ id: rental.id, error: this.#queued(rental, error) });
      }
    }));
    return { released, failed };
  }

  #meant(
    names: readonly string[],
    all: boolean,
    fail: (name: string, error: unknown) => void,
  ): Rental[] {
    if (all) return [...this.#rentals.book.living()];
    if (names.length === 0) return [this.#rentals.find(null)];
    const meant = names.flatMap((name) => {
      try {
        return [this.#rentals.find(name)];
      } catch (error) {
        fail(name, error);
        return [];
      }
    });
    return [...new Set(meant)];
  }

  /** Why a VM is not released yet, and that it will be. */
  #queued(rental: Rental, error: unknown): unknown {
    const { state } = this.#rentals.latest(rental);
    if (state !== "releasing" || !(error instanceof OmertaError)) return error;
    const name = this.#market.nameOf(providerOf(rental));
    const message = `Not released yet: the provider ${name} is not reached`;
    return new OmertaError(error.code, message, {
      hint: "It is kept alive no longer: released when its provider is reached, " +
        "or ended with its lease.",
      fields: error.fields,
      cause: error,
    });
  }
}
