/**
 * Which counters of a session were seen: the newest one and a bitmap of those shortly before it.
 * Source: RFC 6479, whose ring of words moves forward without shifting bits.
 *
 * @module
 */

/** Counters behind the newest that are still told apart; older ones are refused. Guess: 64 calls' pieces. */
export const REPLAY_WINDOW = 1_024;

const WORD_BITS = 32;
/** One word more than the window, so that the newest word may be partly filled. */
const WORDS = REPLAY_WINDOW / WORD_BITS + 1;

/** A sliding window over 64-bit counters (as safe integers). */
export class ReplayWindow {
  readonly #words = new Uint32Array(WORDS);
  #newest = -1;

  /** Whether the counter is neither known nor too old. */
  isFresh(counter: number): boolean {
    if (counter > this.#newest) return true;
    if (this.#newest - counter >= REPLAY_WINDOW) return false;
    return (this.#word(counter) & bit(counter)) === 0;
  }

  /** Marks a fresh counter as seen; only after its datagram was authenticated. */
  mark(counter: number): void {
    this.#advance(counter);
    this.#words[wordIndex(counter)] = (this.#word(counter) | bit(counter)) >>> 0;
  }

  /** Empties the words that come between the newest counter's and this one's. */
  #advance(counter: number): void {
    if (counter <= this.#newest) return;
    const from = Math.floor(this.#newest / WORD_BITS);
    const to = Math.floor(counter / WORD_BITS);
    for (let word = Math.max(from + 1, to - WORDS + 1); word <= to; word++) {
      this.#words[word % WORDS] = 0;
    }
    this.#newest = counter;
  }

  #word(counter: number): number {
    return this.#words[wordIndex(counter)] ?? 0;
  }
}

function wordIndex(counter: number): number {
  return Math.floor(counter / WORD_BITS) % WORDS;
}

function bit(counter: number): number {
  return (1 << (counter % WORD_BITS)) >>> 0;
}
