/**
 * A message that arrives, or leaves, in pieces.
 *
 * @module
 */
import { after, concatBytes, doubledMs, type Instant } from "../base/mod.ts";
import { RPC_RESEND_MS_MAX } from "./constants.ts";
import { cutPieces, encodePiece, fullMask, type Piece } from "./layout.ts";

/** Collects the pieces of one message. */
export class Assembly {
  readonly #pieces: (Uint8Array | undefined)[];
  #mask = 0;
  #bytes = 0;

  constructor(count: number) {
    this.#pieces = Array.from({ length: count });
  }

  /** A bit per piece that is there. */
  get mask(): number {
    return this.#mask;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  get isComplete(): boolean {
    return this.#mask === fullMask(this.#pieces.length);
  }

  /** Keeps a copy of the piece's data; false where its count is another message's. */
  add(piece: Piece): boolean {
    if (piece.count !== this.#pieces.length) return false;
    if (this.#pieces[piece.index] !== undefined) return true;
    this.#pieces[piece.index] = piece.data.slice();
    this.#mask |= 1 << piece.index;
    this.#bytes += piece.data.length;
    return true;
  }

  /** The whole message. */
  join(): Uint8Array {
    return concatBytes(...this.#pieces.filter((piece) => piece !== undefined));
  }
}

/** A message that is sent until its receiver has all of it. */
export class Delivery {
  readonly #call: string;
  readonly #isAnswer: boolean;
  readonly #pieces: readonly Uint8Array[];
  readonly #resendMs: number;
  #missing: number;
  #sendings = 0;

  constructor(options: {
    readonly call: string;
    readonly isAnswer: boolean;
    readonly message: Uint8Array;
    /** The first wait for an acknowledgement. */
    readonly resendMs: number;
  }) {
    this.#call = options.call;
    this.#resendMs = options.resendMs;
    this.#isAnswer = options.isAnswer;
    this.#pieces = cutPieces(options.message);
    this.#missing = fullMask(this.#pieces.length);
  }

  get count(): number {
    return this.#pieces.length;
  }

  get bytes(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  /** How often it was sent. */
  get sendings(): number {
    return this.#sendings;
  }

  get isDelivered(): boolean {
    return this.#missing === 0;
  }

  /** The receiver has these pieces. */
  acknowledge(mask: number): void {
    this.#missing &= ~mask;
  }

  /** The payloads of what is still missing; counts as one sending. */
  send(): Uint8Array[] {
    this.#sendings++;
    const missing = this.#pieces.map((data, index) => ({ data, index }))
      .filter(({ index }) => (this.#missing & (1 << index)) !== 0);
    return missing.map(({ data, index }) => this.#encode(index, data));
  }

  /** When what is missing is due again: the first wait · 2ⁿ after the nth sending. */
  resendAt(now: Instant): Instant {
    const waitMs = doubledMs(this.#resendMs, Math.max(0, this.#sendings - 1));
    return after(now, Math.min(waitMs, RPC_RESEND_MS_MAX));
  }

  #encode(index: number, data: Uint8Array): Uint8Array {
    return encodePiece({
      call: this.#call,
      isAnswer: this.#isAnswer,
      isPoke: false,
      index,
      count: this.#pieces.length,
      data,
    });
  }
}
