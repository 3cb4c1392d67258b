/**
 * The record of this node in each of its networks: signed anew where what it says changed, or where a
 * third of its life is over; else it stays what it is, and costs neither a signature nor a write.
 *
 * @module
 */
import type { NamedNode, NetworkId } from "../base/mod.ts";
import type { SignOrder } from "./types.ts";

/** Our record as it is now. */
export interface OwnRecord {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

interface Signed extends OwnRecord {
  /** What it says, as text to compare. */
  readonly says: string;
  readonly atMs: number;
}

/** With what records are signed. */
export interface Signing<Facts> {
  /** The highest number that was ever used. */
  readonly lastSeq: number;
  readonly renewAfterMs: number;
  sign(order: SignOrder<Facts>): Uint8Array;
}

/** Our records. */
export class OwnRecords<Facts> {
  readonly #signing: Signing<Facts>;
  readonly #signed = new Map<NetworkId, Signed>();
  #seq: number;

  constructor(signing: Signing<Facts>) {
    this.#signing = signing;
    this.#seq = signing.lastSeq;
  }

  /** Our record in a network, and whether it was signed just now. `nowMs`: Unix milliseconds. */
  current(
    network: NetworkId,
    content: { readonly facts: Facts; readonly relays: readonly NamedNode[] },
    nowMs: number,
  ): OwnRecord & { readonly isNew: boolean } {
    const says = JSON.stringify(content);
    const known = this.#signed.get(network);
    const isYoung = known !== undefined &&
      Math.abs(nowMs - known.atMs) < this.#signing.renewAfterMs;
    if (known?.says === says && isYoung) return { ...known, isNew: false };
    const seq = this.#nextSeq(nowMs);
    const bytes = this.#signing.sign({ network, seq, ...content });
    this.#signed.set(network, { says, atMs: nowMs, seq, bytes });
    return { seq, bytes, isNew: true };
  }

  /** The network was left. */
  forget(network: NetworkId): void {
    this.#signed.delete(network);
  }

  /** Grows over restarts, and whatever the clock does. */
  #nextSeq(nowMs: number): number {
    return this.#seq = Math.max(this.#seq + 1, Math.floor(nowMs / 1_000));
  }
}
