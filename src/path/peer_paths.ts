/**
 * The paths to one peer: which are proven, how they answer, and when each wants its next ping.
 *
 * ```text
 *            pong, or a handshake            MISSES_DEAD misses, or the data path's word
 *  trying ───────────────────────▶ proven ───────────────────────────────────────────▶ gone
 *     └── UNPROVEN_MS without an answer ────────────────────────────────────────────────▲
 * ```
 *
 * It leaves out which path is used (`choice.ts`) and whom to try (`punch.ts`).
 *
 * @module
 */
import { after, type Instant, type Random, toHex } from "../base/mod.ts";
import {
  LOSS_WINDOW,
  MISSES_DEAD,
  PATHS_PER_PEER_MAX,
  PING_RETRY_MS,
  PONG_WAIT_MS,
  UNPROVEN_MS,
} from "./constants.ts";
import { NONCE_BYTES } from "./messages.ts";

/** One path to a peer. */
export interface PathState {
  /** `ADDR` or `ADDR#SESSION`. */
  readonly path: string;
  readonly relayed: boolean;
  provenAt: Instant | null;
  rttMs: number | null;
  heardAt: Instant;
  misses: number;
  /** When to ping again, or to count the last ping as missed; `null`: only a punch may ping. */
  nextPingAt: Instant | null;
  /** Nonces of the pings that wait for a pong, with the time of each. */
  readonly pending: Map<string, Instant>;
  /** Whether each of the last pings was answered, newest last. */
  readonly answers: boolean[];
  readonly sinceAt: Instant;
  /** Pings that it may get before it answers, by the window of `ProbeBudget`. */
  unansweredMax: number;
  /** Whether the peer pinged us from there before it answered. */
  isClaimed: boolean;
}

/** Pings per path that may wait for their pong at one time. */
const PENDING_MAX = 8;
const PING_RETRY_LAST_MS = 1_000;

/** All paths to one peer. */
export class PeerPaths {
  readonly #paths = new Map<string, PathState>();

  get(path: string): PathState | undefined {
    return this.#paths.get(path);
  }

  all(): IterableIterator<PathState> {
    return this.#paths.values();
  }

  /**
   * The path's state, made when it is new; `undefined` where there is no room for another. A `quiet`
   * one is not pinged by the timer: it is a mere claim of the peer.
   */
  add(path: string, now: Instant, quiet = false): PathState | undefined {
    const known = this.#paths.get(path);
    if (known !== undefined) return known;
    if (this.#paths.size >= PATHS_PER_PEER_MAX && !this.#dropOldestUnproven()) return undefined;
    const state: PathState = {
      path,
      relayed: path.includes("#"),
      provenAt: null,
      rttMs: null,
      heardAt: now,
      misses: 0,
      nextPingAt: quiet ? null : now,
      pending: new Map(),
      answers: [],
      sinceAt: now,
      unansweredMax: quiet ? 0 : Infinity,
      isClaimed: false,
    };
    this.#paths.set(path, state);
    return state;
  }

  remove(path: string): boolean {
    return this.#paths.delete(path);
  }

  /** Notes a ping sent now; returns its nonce. */
  pinged(state: PathState, now: Instant, random: Random): Uint8Array {
    const nonce = random.bytes(NONCE_BYTES);
    state.pending.set(toHex(nonce), now);
    const [oldest] = state.pending.keys();
    if (state.pending.size > PENDING_MAX && oldest !== undefined) state.pending.delete(oldest);
    if (state.nextPingAt !== null) {
      state.nextPingAt = after(now, Math.max(PONG_WAIT_MS, 3 * (state.rttMs ?? 0)));
    }
    return nonce;
  }

  /** Takes a pong; `false` where no such ping is waiting. */
  ponged(state: PathState, nonce: Uint8Array, now: Instant): boolean {
    const sentAt = state.pending.get(toHex(nonce));
    if (sentAt === undefined) return false;
    state.rttMs = smoothed(state.rttMs, now - sentAt);
    state.pending.clear();
    state.misses = 0;
    state.heardAt = now;
    noteAnswer(state, true);
    prove(state, now);
    return true;
  }

  /** Counts the last ping as missed when its time is over; `true` where a proven path ends. */
  lapse(state: PathState, now: Instant): boolean {
    if (state.nextPingAt !== null && now >= state.nextPingAt && state.pending.size > 0) {
      state.pending.clear();
      state.misses++;
      noteAnswer(state, false);
      state.nextPingAt = after(now, PING_RETRY_MS[state.misses - 1] ?? PING_RETRY_LAST_MS);
    }
    const over = state.provenAt === null
      ? now >= after(state.sinceAt, UNPROVEN_MS)
      : state.misses >= MISSES_DEAD;
    if (over) this.#paths.delete(state.path);
    return over && state.provenAt !== null;
  }

  /** When the path wants attention next. */
  timerAt(state: PathState): Instant | null {
    if (state.provenAt !== null) return state.nextPingAt;
    const endsAt = after(state.sinceAt, UNPROVEN_MS);
    return state.nextPingAt !== null && state.nextPingAt < endsAt ? state.nextPingAt : endsAt;
  }

  #dropOldestUnproven(): boolean {
    for (const state of this.#paths.values()) {
      if (state.provenAt === null) return this.#paths.delete(state.path);
    }
    return false;
  }
}

/** Marks a path as proven: from now on it is pinged by the timer. */
export function prove(state: PathState, now: Instant): void {
  state.provenAt ??= now;
  state.nextPingAt ??= now;
}

/** The share of the last pings that stayed unanswered, 0 to 1; `null` before the first. */
export function lossOf(state: PathState): number | null {
  const missed = state.answers.filter((answered) => !answered).length;
  return state.answers.length === 0 ? null : missed / state.answers.length;
}

function noteAnswer(state: PathState, answered: boolean): void {
  state.answers.push(answered);
  if (state.answers.length > LOSS_WINDOW) state.answers.shift();
}

/** RFC 6298 §2: one eighth of the newest sample; a much better sample counts at once. */
function smoothed(old: number | null, sample: number): number {
  if (old === null || sample < old / 2) return sample;
  return old + (sample - old) / 8;
}
