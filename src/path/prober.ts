/**
 * What is sent to find out whether a peer is there, and when it counts as unanswered. Whatever goes to
 * where nobody has proved to be passes the gate.
 *
 * @module
 */
import type { Path, PeerKey, Random } from "../base/mod.ts";
import type { Shot } from "./budget.ts";
import { PING_WIRE_BYTES } from "./constants.ts";
import type { Gate } from "./gate.ts";
import type { Histories, PathEvent } from "./history.ts";
import { encodePing, encodePong, NONCE_BYTES } from "./messages.ts";
import { claim, hurry, type Turn } from "./peer.ts";
import { type PathState, prove } from "./peer_paths.ts";
import type { PunchShot } from "./punch.ts";

/** Sends pings and pongs for all peers. */
export class Prober {
  readonly #random: Random;
  readonly #gate: Gate;
  readonly #histories: Histories;

  constructor(random: Random, gate: Gate, histories: Histories) {
    this.#random = random;
    this.#gate = gate;
    this.#histories = histories;
  }

  /** Answers a ping, where the peer may be asked in turn whether it is there. */
  answer(from: Path, nonce: Uint8Array, turn: Turn): void {
    const { peer, state, now, out } = turn;
    const path = state.paths.add(from, now, true);
    if (path === undefined) return;
    path.heardAt = now;
    claim(path, now);
    // Whom we may not ask whether the peer is there, we do not answer either: its source may be forged.
    const isAsked = path.provenAt !== null || path.isAsking;
    if (!isAsked && this.#gate.refusal(shotAt(peer, path), now) !== null) return;
    if (path.provenAt === null && isAsked && path.pongsLeft-- <= 0) return;
    const payload = encodePong(nonce, path.relayed ? null : from);
    out.push({ type: "send", peer, path: from, payload, ttl: 0 });
    if (!isAsked) this.ping(path, turn);
  }

  /** Counts what was not answered in time; whether a proven path ended. */
  lapse(turn: Turn): boolean {
    const { state, now } = turn;
    let hasEnded = false;
    for (const path of [...state.paths.all()]) {
      const before = path.misses;
      const reason = state.paths.lapse(path, now);
      if (reason !== null) this.#note({ type: "ended", path: path.path, reason }, turn);
      hasEnded ||= reason === "dead";
      // Whether the others still lead there must be known at once.
      if (path.path === state.active && before === 0 && path.misses > 0) hurry(state, now);
    }
    return hasEnded;
  }

  /** Sends what a punch wants sent, as far as the gate lets it. */
  shoot(shots: readonly PunchShot[], turn: Turn): void {
    const { peer, state, now, out } = turn;
    for (const { path: to, ttl, windowProbesMax } of shots) {
      if (ttl > 0) {
        const opener = { path: to, by: peer, bytes: PING_WIRE_BYTES, allowance: null };
        if (this.#gate.open(opener, now) !== null) continue;
        const payload = encodePing(this.#random.bytes(NONCE_BYTES));
        out.push({ type: "send", peer, path: to, payload, ttl });
        continue;
      }
      const path = state.paths.add(to, now, true);
      if (path === undefined) continue;
      path.unansweredMax = Math.max(path.unansweredMax, windowProbesMax);
      this.ping(path, turn);
    }
  }

  /** Sends a ping, where the path is proven or the gate lets it. */
  ping(path: PathState, turn: Turn): void {
    const { peer, state, now, out } = turn;
    const reason = path.provenAt === null ? this.#gate.take(shotAt(peer, path), now) : null;
    if (reason !== null) {
      path.nextPingAt = null;
      if (!path.isSilenced) this.#note({ type: "silenced", path: path.path, reason }, turn);
      path.isSilenced = true;
      return;
    }
    const payload = encodePing(state.paths.pinged(path, now, this.#random));
    out.push({ type: "send", peer, path: path.path, payload, ttl: 0 });
  }

  /** A handshake proved the path. */
  prove(path: PathState, turn: Turn): void {
    if (path.provenAt === null) this.#note({ type: "proven", path: path.path, rttMs: null }, turn);
    prove(path, turn.now);
  }

  #note(event: PathEvent, { peer, now }: Turn): void {
    this.#histories.note(peer, event, now);
  }
}

/** A ping to a path that is not proven. */
function shotAt(by: PeerKey, { path, unansweredMax }: PathState): Shot {
  const allowance = unansweredMax === Infinity
    ? null
    : { datagrams: unansweredMax, bytes: Infinity };
  return { path, by, bytes: PING_WIRE_BYTES, allowance };
}
