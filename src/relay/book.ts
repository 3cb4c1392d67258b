/**
 * The relay's book of sessions: each joins exactly two members at addresses that their own sessions
 * with the relay have proved. Deciding is here; forwarding is native.
 *
 * ```text
 *  allocate ──▶ offered to the other side ──▶ open ──▶ idle for SESSION_IDLE_MS, or a side is gone ──▶ closed
 * ```
 *
 * @module
 */
import {
  after,
  fail,
  type Instant,
  ok,
  type PeerKey,
  type Random,
  randomUint32,
  type Result,
} from "../base/mod.ts";
import { RELAY_LIMITS } from "./limits.ts";

/** Sessions that one member may have asked for. Source: overlay research §5.8. */
export const SESSIONS_PER_MEMBER_MAX = 64;
/**
 * Sessions that one member may be an end of, whoever asked: far more, so that a few who ask for sessions
 * with a provider do not take it from the others. Guess.
 */
export const SESSIONS_WITH_MEMBER_MAX = 1_024;
/** A session that forwarded nothing for so long is closed. Source: overlay research §5.8 (5 min). */
export const SESSION_IDLE_MS = 300_000;

/** One end of a session. */
export interface RelayEnd {
  readonly peer: PeerKey;
  /** `IP:PORT`, proved by the peer's session with the relay. */
  readonly address: string;
}

/** A session: `id` names it on the wire; `a` asked for it last. */
export interface RelaySession {
  readonly id: number;
  readonly a: RelayEnd;
  readonly b: RelayEnd;
  readonly usedAt: Instant;
}

/** Why a session is refused. */
export type RelayRefusal =
  | "same-peer"
  | "same-address"
  | "other-network"
  | "member-limit"
  | "relay-full";

/** All sessions of a relay. */
export class RelayBook {
  readonly #random: Random;
  readonly #sessions = new Map<number, RelaySession>();
  readonly #byPair = new Map<string, number>();
  readonly #byPeer = new Map<PeerKey, Set<number>>();

  readonly #sessionsMax: number;

  constructor(random: Random, sessionsMax: number = RELAY_LIMITS.sessions) {
    this.#random = random;
    this.#sessionsMax = sessionsMax;
  }

  /** The session between two members: the one they have, with fresh addresses, or a new one. */
  allocate(a: RelayEnd, b: RelayEnd, now: Instant): Result<RelaySession, RelayRefusal> {
    if (a.peer === b.peer) return fail("same-peer");
    if (a.address === b.address) return fail("same-address");
    if (a.peer.split("/")[0] !== b.peer.split("/")[0]) return fail("other-network");
    const known = this.#byPair.get(pairOf(a.peer, b.peer));
    if (known === undefined) {
      if (this.#sessions.size >= this.#sessionsMax) return fail("relay-full");
      if (this.#hasAsked(a.peer) >= SESSIONS_PER_MEMBER_MAX) return fail("member-limit");
      const fullest = Math.max(...[a, b].map(({ peer }) => this.#byPeer.get(peer)?.size ?? 0));
      if (fullest >= SESSIONS_WITH_MEMBER_MAX) return fail("member-limit");
    }
    const session = { id: known ?? this.#freshId(), a, b, usedAt: now };
    this.#put(session);
    return ok(session);
  }

  /** A member moved to another proven address: the sessions that changed. */
  moved(end: RelayEnd): RelaySession[] {
    const changed: RelaySession[] = [];
    for (const session of this.#of(end.peer)) {
      const side = session.a.peer === end.peer ? "a" : "b";
      if (session[side].address === end.address) continue;
      const next = { ...session, [side]: end };
      this.#put(next);
      changed.push(next);
    }
    return changed;
  }

  /** Notes that the session forwarded something `idleMs` ago. */
  used(id: number, idleMs: number, now: Instant): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) this.#put({ ...session, usedAt: after(now, -idleMs) });
  }

  /** Closes what was idle for too long; returns what was closed. */
  expire(now: Instant): RelaySession[] {
    const over = [...this.#sessions.values()].filter((s) => now >= s.usedAt + SESSION_IDLE_MS);
    for (const session of over) this.remove(session.id);
    return over;
  }

  /** Closes one session; `undefined` where it is not known. */
  remove(id: number): RelaySession | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    this.#sessions.delete(id);
    this.#byPair.delete(pairOf(session.a.peer, session.b.peer));
    for (const { peer } of [session.a, session.b]) {
      const ids = this.#byPeer.get(peer);
      ids?.delete(id);
      if (ids?.size === 0) this.#byPeer.delete(peer);
    }
    return session;
  }

  /** Sessions that are open. */
  get size(): number {
    return this.#sessions.size;
  }

  /** The session of an id, while it is open. */
  get(id: number): RelaySession | undefined {
    return this.#sessions.get(id);
  }

  /** Whether two members have a session. */
  joins(a: PeerKey, b: PeerKey): boolean {
    return this.#byPair.has(pairOf(a, b));
  }

  /** Closes all sessions of a member that is no longer one, or left; returns what was closed. */
  left(peer: PeerKey): RelaySession[] {
    const over = this.#of(peer);
    for (const session of over) this.remove(session.id);
    return over;
  }

  /** All sessions, oldest first. */
  all(): RelaySession[] {
    return [...this.#sessions.values()];
  }

  #of(peer: PeerKey): RelaySession[] {
    return [...this.#byPeer.get(peer) ?? []].flatMap((id) => this.#sessions.get(id) ?? []);
  }

  #hasAsked(peer: PeerKey): number {
    return this.#of(peer).filter(({ a }) => a.peer === peer).length;
  }

  #put(session: RelaySession): void {
    this.#sessions.set(session.id, session);
    this.#byPair.set(pairOf(session.a.peer, session.b.peer), session.id);
    for (const { peer } of [session.a, session.b]) {
      const ids = this.#byPeer.get(peer) ?? new Set();
      this.#byPeer.set(peer, ids.add(session.id));
    }
  }

  #freshId(): number {
    for (;;) {
      const id = randomUint32(this.#random);
      if (!this.#sessions.has(id)) return id;
    }
  }
}

function pairOf(a: PeerKey, b: PeerKey): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
