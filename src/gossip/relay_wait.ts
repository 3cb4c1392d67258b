/**
 * Waiting for a network's relays: until one is there, or those that are tried were tried in vain.
 *
 * @module
 */
import type { KnownRelays } from "./types.ts";

/** The relays of a network as they were told. */
export interface ToldRelays extends KnownRelays {
  /** How often they were told. */
  readonly told: number;
}

/** One wait; who begins it asks for relays where none is there, and is told which there are. */
export class RelayWait {
  readonly #told: number;

  constructor({ told }: ToldRelays) {
    this.#told = told;
  }

  /** Whether there is nothing to wait for. */
  isOver({ home, isTrying, told }: ToldRelays): boolean {
    return home.length > 0 || (told > this.#told && !isTrying);
  }
}
