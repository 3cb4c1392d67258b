/**
 * The paths to one peer: which are proven, how they answer, and when each wants its next ping.
 *
 * ```text
 *            pong, or a handshake            MISSES_DEAD misses, or the data path's word
 *  trying ───────────────────────▶ proven ───────────────────────────────────────────▶ gone
 *     └── UNPROVEN_MS without an answer ────────────────────────────────────────────────▲
 * ```
 *
 * A ping is missed when its wait is over (RFC 6298: by the round trip and its variation, doubled at
 * each miss). A pong that comes later still counts: a path that became slow teaches how slow it is.
 *
 * It leaves out which path is used (`rank.ts`) and whom to try (`punch.ts`).
 *
 * @module
 */
import { after, doubledMs, type Instant, type Path, type Random, toHex } from "../base/mod.ts";
import {
  LOSS_WINDOW,
  MISSES_DEAD,
  PATHS_PER_PEER_MAX,
  PINGS_REMEMBERED_MAX,
  PONG_WAIT_MS,
  PONG_WAIT_MS_MAX,
  PONG_WAIT_UNKNOWN_MS,
  PONGS_PER_PING,
  UNPROVEN_MS,
} from "./constants.ts";
import { isRelayed } from "../wire/mod.ts";
import { NONCE_BYTES } from "./messages.ts";

/** A ping that may still be answered. */
export interface Asked {
  readonly at: Instant;
  /** Whether its time is over. */
  isMissed: boolean;
}

/** One path to a peer. */
export interface PathState {
  /** `ADDR` or `ADDR#SESSION`. */
  readonly path: Path;
  readonly relayed: boolean;
  provenAt: Instant | null;
  /** Smoothed round trip and its variation: SRTT and RTTVAR of RFC 6298. */
  rttMs: number | null;
  rttVarMs: number;
  heardAt: Instant;
  misses: number;
  /** When to ping again, or to count the last ping as missed; `null`: only a punch may ping. */
  nextPingAt: Instant | null;
  /** Nonces of the newest unanswered pings, oldest first. */
  readonly pending: Map<string, Asked>;
  /** Whether the newest ping still has time to be answered. */
  isAsking: boolean;
  /** Whether each of the last pings was answered, newest last. */
  readonly answers: boolean[];
  readonly sinceAt: Instant;
  /** Pings that it may get before it answers, by the window of `ProbeBudget`. */
  unansweredMax: number;
  /** Whether the gate let no ping go there, so far. */
  isSilenced: boolean;
  /** Whether the peer pinged us from there before it answered. */
  isClaimed: boolean;
  /** Pings from there that are answered before ours is. */
  pongsLeft: number;
}

/** All paths to one peer. */
export class PeerPaths {
  readonly #paths = new Map<Path, PathState>();

  get(path: Path): PathState | undefined {
    return this.#paths.get(path);
  }

  get size(): number {
    return this.#paths.size;
  }

  all(): IterableIterator<PathState> {
    return this.#paths.values();
  }

  /**
   * The path's state, made when it is new; `undefined` where there is no room for another. A `quiet`
   * one is not pinged by the timer: it is a mere claim of the peer.
   */
  add(path: Path, now: Instant, quiet = false): PathState | undefined {
    const known = this.#paths.get(path);
    if (known !== undefined) return known;
    if (this.#paths.size >= PATHS_PER_PEER_MAX && !this.#dropOldestUnproven()) return undefined;
    const state: PathState = {
      path,
      relayed: isRelayed(path),
      provenAt: null,
      rttMs: null,
      rttVarMs: 0,
      heardAt: now,
      misses: 0,
      nextPingAt: quiet ? null : now,
      pending: new Map(),
      isAsking: false,
      answers: [],
      sinceAt: now,
      unansweredMax: quiet ? 0 : Infinity,
      isSilenced: false,
      isClaimed: false,
      pongsLeft: 0,
    };
    this.#paths.set(path, state);
    return state;
  }

  remove(path: Path): boolean {
    return this.#paths.delete(path);
  }

  /** Notes a ping sent now; returns its nonce. */
  pinged(state: PathState, now: Instant, random: Random): Uint8Array {
    const nonce = random.bytes(NONCE_BYTES);
    state.pending.set(toHex(nonce), { at: now, isMissed: false });
    const [oldest] = state.pending.keys();
    if (state.pending.size > PINGS_REMEMBERED_MAX && oldest !== undefined) {
      state.pending.delete(oldest);
    }
    state.isAsking = true;
    state.pongsLeft = PONGS_PER_PING;
    if (state.nextPingAt !== null) state.nextPingAt = after(now, backedOffMs(state));
    return nonce;
  }

  /** Takes a pong, late or not; `false` where no such ping is remembered. */
  ponged(state: PathState, nonce: Uint8Array, now: Instant): boolean {
    const asked = state.pending.get(toHex(nonce));
    if (asked === undefined) return false;
    measure(state, now - asked.at);
    for (const [older, { at }] of state.pending) {
      if (at <= asked.at) state.pending.delete(older);
    }
    state.isAsking = false;
    state.misses = 0;
    state.heardAt = now;
    noteAnswer(state, asked);
    prove(state, now);
    return true;
  }

  /** Counts the last ping as missed when its time is over; says how the path ends, if it does. */
  lapse(state: PathState, now: Instant): "unanswered" | "dead" | null {
    if (state.nextPingAt !== null && now >= state.nextPingAt && state.isAsking) {
      for (const asked of state.pending.values()) asked.isMissed = true;
      state.isAsking = false;
      state.misses++;
      note(state, false);
      state.nextPingAt = now;
    }
    const over = state.provenAt === null
      ? now >= after(state.sinceAt, UNPROVEN_MS)
      : state.misses >= MISSES_DEAD;
    if (!over) return null;
    this.#paths.delete(state.path);
    return state.provenAt === null ? "unanswered" : "dead";
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

/** How long a pong is waited for. Source: RFC 6298 §2, with bounds of our own. */
export function pongWaitMs({ rttMs, rttVarMs }: PathState): number {
  if (rttMs === null) return PONG_WAIT_UNKNOWN_MS;
  return Math.min(PONG_WAIT_MS_MAX, Math.max(PONG_WAIT_MS, rttMs + 4 * rttVarMs));
}

/** RFC 6298 §5.5: each miss doubles the wait. A path that is only tried is asked steadily. */
function backedOffMs(state: PathState): number {
  return doubledMs(pongWaitMs(state), state.provenAt === null ? 0 : state.misses);
}

/** RFC 6298 §2.2 and §2.3; but a much better sample counts at once. */
function measure(state: PathState, sample: number): void {
  const { rttMs } = state;
  if (rttMs === null || sample < rttMs / 2) {
    Object.assign(state, { rttMs: sample, rttVarMs: sample / 2 });
    return;
  }
  state.rttVarMs += (Math.abs(rttMs - sample) - state.rttVarMs) / 4;
  state.rttMs = rttMs + (sample - rttMs) / 8;
}

/** An answer; one that was taken for missed is no loss after all. */
function noteAnswer(state: PathState, { isMissed }: Asked): void {
  const wrong = isMissed ? state.answers.lastIndexOf(false) : -1;
  if (wrong >= 0) state.answers[wrong] = true;
  else note(state, true);
}

function note(state: PathState, isAnswered: boolean): void {
  state.answers.push(isAnswered);
  if (state.answers.length > LOSS_WINDOW) state.answers.shift();
}
