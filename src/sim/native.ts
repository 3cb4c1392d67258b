/**
 * The native data path of one simulated node, as `ffi/net` does it: who gets a datagram, on which path a
 * tunnel frame leaves, when a silent path is doubted and when it is dead, and what a relay forwards.
 * Frames are those of the wire.
 *
 * ```text
 *   om, receiver known or none named ─▶ the node machine
 *   or, towards us as a relay ────────▶ the relay's table ─▶ the other end
 *   ot, on an accepted path ──────────▶ the tunnel
 * ```
 *
 * Source: `ffi/net/README.md`, "Paths" and "Strangers"; `peers.go` for the verdict on a silent path. Not
 * here: queues, a relay's limits of bandwidth, frames that came just before their path was proven.
 *
 * @module
 */
import { type Instant, type Path, type PeerKey, Timers, type Wakeup } from "../base/mod.ts";
import {
  CONTROL,
  directPath,
  encodeRelayed,
  encodeTunnel,
  type Frame,
  FROM_RELAY,
  hopAddress,
  parseFrame,
  pathParts,
  relayedPath,
  TO_RELAY,
} from "../wire/mod.ts";
import type { Endpoint } from "./nat.ts";

/** How long after a doubt a ping is waited for. Source: `ffi/net/limits.go`. */
const PING_PATIENCE_MS = 10_000;

/** What the data path asks of its host. */
export interface NativeHost {
  /** Sends bytes to an address. */
  send(to: Endpoint, bytes: Uint8Array, ttl: number): void;
  /** Hands a control frame to the node machine. */
  control(path: Path, bytes: Uint8Array): void;
  /** Tells the node machine of a silent path. */
  verdict(type: "path-doubt" | "path-dead", peer: PeerKey, path: Path): void;
}

/** The routes of a peer, as `peer.set` gives them. */
export interface Routes {
  readonly active: Path | null;
  readonly standby: Path | null;
  readonly accept: readonly Path[];
  readonly doubtMs: number;
  readonly deadMs: number;
}

interface PeerState {
  routes: Routes;
  /** The first tunnel frame on the active path since anything came there, and a later one. */
  first: Instant | null;
  second: Instant | null;
  asked: Instant | null;
  /** Whether a look at the active path is due. */
  isArmed: boolean;
}

interface PathState {
  receivedAt: Instant;
  controlSentAt: Instant;
}

/** A session of the relay's table. */
interface Forwarding {
  readonly ends: readonly [Path, Path];
  usedAt: Instant;
}

/** What was forwarded for a session. */
export interface ForwardingView {
  readonly session: number;
  readonly idleMs: number;
}

/** One end of a tunnel: to whom it leads, and who takes what comes. */
export interface TunnelEnd {
  readonly peer: PeerKey;
  readonly take: (datagram: Uint8Array) => void;
}

const NEVER = -Infinity as Instant;

/** The data path of a node. */
export class Native {
  readonly #host: NativeHost;
  readonly #receivers = new Set<number>();
  readonly #relayed = new Map<number, Forwarding>();
  readonly #peers = new Map<PeerKey, PeerState>();
  readonly #paths = new Map<Path, PathState>();
  readonly #tunnels = new Map<number, TunnelEnd>();
  readonly #looks = new Timers<PeerKey>();

  constructor(host: NativeHost) {
    this.#host = host;
  }

  /** When a silent path is to be looked at. */
  wakeup(): Wakeup | undefined {
    return this.#looks.next();
  }

  wake(now: Instant): void {
    for (let peer = this.#looks.takeDue(now); peer !== undefined; peer = this.#looks.takeDue(now)) {
      const state = this.#peers.get(peer);
      const again = state === undefined ? null : this.#look(peer, state, now);
      if (again !== null) this.#looks.set(peer, again, "silence");
      else if (state !== undefined) state.isArmed = false;
    }
  }

  // Commands ---------------------------------------------------------------------------------

  /** `session.set`: whose control frames are let in. */
  setReceivers(add: readonly number[], remove: readonly number[]): void {
    for (const id of add) this.#receivers.add(id);
    for (const id of remove) this.#receivers.delete(id);
  }

  /** `peer.set`, or `peer.remove` where no path is accepted. */
  route(peer: PeerKey, routes: Routes): void {
    const state = this.#peers.get(peer);
    for (const path of state?.routes.accept ?? []) {
      if (!routes.accept.includes(path)) this.#paths.delete(path);
    }
    if (routes.accept.length === 0) return void this.#peers.delete(peer);
    for (const path of routes.accept) {
      if (this.#paths.has(path)) continue;
      this.#paths.set(path, { receivedAt: NEVER, controlSentAt: NEVER });
    }
    const isSame = state?.routes.active === routes.active;
    const { first = null, second = null, asked = null } = isSame ? state ?? {} : {};
    const isArmed = state?.isArmed ?? false;
    this.#peers.set(peer, { routes, first, second, asked, isArmed });
  }

  /** Something authentic came on the path. */
  heard(path: Path, now: Instant): void {
    const state = this.#paths.get(path);
    if (state !== undefined) state.receivedAt = now;
  }

  /** `relay.set`: two addresses whose frames are forwarded to each other. */
  relaySet(session: number, a: Path, b: Path, now: Instant): void {
    const usedAt = this.#relayed.get(session)?.usedAt ?? now;
    this.#relayed.set(session, { ends: [a, b], usedAt });
  }

  relayRemove(session: number): void {
    this.#relayed.delete(session);
  }

  /** `relay.stats`: for how long each session has forwarded nothing. */
  relayStats(now: Instant): ForwardingView[] {
    return [...this.#relayed].map(([session, { usedAt }]) => ({ session, idleMs: now - usedAt }));
  }

  tunnelOpen(id: number, end: TunnelEnd): void {
    this.#tunnels.set(id, end);
  }

  tunnelClose(id: number): void {
    this.#tunnels.delete(id);
  }

  // Datagrams out ----------------------------------------------------------------------------

  /** Sends a control frame on a path. */
  send(path: Path, bytes: Uint8Array, ttl: number, now: Instant): void {
    const state = this.#paths.get(path);
    if (state !== undefined) state.controlSentAt = now;
    this.#transmit(path, bytes, ttl);
  }

  /** Sends a tunnel frame to a peer on the path in use; whether there is one. */
  sendTunnel(peer: PeerKey, id: number, datagram: Uint8Array, now: Instant): boolean {
    const state = this.#peers.get(peer);
    const active = state?.routes.active ?? null;
    if (state === undefined || active === null) return false;
    this.#noteSent(peer, state, active, now);
    this.#transmit(active, encodeTunnel(id, datagram), 0);
    return true;
  }

  #transmit(path: Path, frame: Uint8Array, ttl: number): void {
    const parts = pathParts(path);
    if (parts === undefined) {
      throw new RangeError(`Cannot send to a path: current value is ${path}`);
    }
    const bytes = parts.via === "direct" ? frame : encodeRelayed(TO_RELAY, parts.session, frame);
    this.#host.send(parts.address, bytes, ttl);
  }

  // Datagrams in -----------------------------------------------------------------------------

  /** Takes a datagram that came from an address. */
  receive(from: Endpoint, bytes: Uint8Array, now: Instant): void {
    const frame = parseFrame(bytes);
    if (!frame.ok) return;
    if (frame.value.type !== "relayed") {
      return this.#arrived(directPath(from), { bytes, frame: frame.value }, now);
    }
    const { toRelay, session, inner } = frame.value;
    if (toRelay) return this.#forward(directPath(from), { session, inner }, now);
    const carried = parseFrame(inner);
    if (!carried.ok) return;
    const path = relayedPath(directPath(from), session);
    this.#arrived(path, { bytes: inner, frame: carried.value }, now);
  }

  #arrived(
    path: Path,
    { bytes, frame }: { readonly bytes: Uint8Array; readonly frame: Frame },
    now: Instant,
  ): void {
    if (frame.type === "control") {
      if (this.#letsIn(bytes)) this.#host.control(path, bytes.slice());
      return;
    }
    if (frame.type !== "tunnel") return;
    const tunnel = this.#tunnels.get(frame.id);
    const state = tunnel === undefined ? undefined : this.#peers.get(tunnel.peer);
    if (!state?.routes.accept.includes(path)) return;
    this.heard(path, now);
    tunnel?.take(frame.datagram.slice());
  }

  /** A frame that names a receiver needs one that there is. */
  #letsIn(frame: Uint8Array): boolean {
    const isStranger = frame.length < 8 || frame[3] === CONTROL.hello ||
      frame[3] === CONTROL.cookie;
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    return isStranger || this.#receivers.has(view.getUint32(4));
  }

  #forward(
    from: Path,
    { session, inner }: { readonly session: number; readonly inner: Uint8Array },
    now: Instant,
  ): void {
    const known = this.#relayed.get(session);
    if (known === undefined || !known.ends.includes(from)) return;
    known.usedAt = now;
    const to = hopAddress(known.ends[0] === from ? known.ends[1] : known.ends[0]);
    if (to !== undefined) this.#host.send(to, encodeRelayed(FROM_RELAY, session, inner), 0);
  }

  // The verdict on a silent path -------------------------------------------------------------

  #noteSent(peer: PeerKey, state: PeerState, active: Path, now: Instant): void {
    const { doubtMs, deadMs } = state.routes;
    if (deadMs <= 0) return;
    if (state.first === null || this.#receivedAt(active) >= state.first) {
      state.first = now;
      state.second = doubtMs === 0 ? now : null;
    } else if (state.second === null && now - state.first >= doubtMs) state.second = now;
    if (state.isArmed) return;
    state.isArmed = true;
    this.#looks.set(peer, (now + (doubtMs || deadMs)) as Instant, "silence");
  }

  /** Judges the active path; returns when to look again, or `null`: the next frame decides that. */
  #look(peer: PeerKey, state: PeerState, now: Instant): Instant | null {
    const { active, doubtMs, deadMs } = state.routes;
    const { first } = state;
    if (active === null || first === null || this.#receivedAt(active) >= first) return null;
    const silence = now - first;
    if (silence < doubtMs) return (first + doubtMs) as Instant;
    if (doubtMs > 0 && state.asked !== first) {
      state.asked = first;
      this.#host.verdict("path-doubt", peer, active);
    }
    const second = this.#secondSent(state, active, first);
    if (second === null) {
      if (silence < deadMs) return (first + deadMs) as Instant;
      return silence < PING_PATIENCE_MS ? (now + deadMs) as Instant : null;
    }
    const deadAt = Math.max(first + deadMs, second + deadMs - doubtMs) as Instant;
    if (deadAt > now) return deadAt;
    this.#switchOver(peer, state, active);
    return null;
  }

  #secondSent(state: PeerState, active: Path, first: Instant): Instant | null {
    const control = this.#paths.get(active)?.controlSentAt ?? NEVER;
    if (state.second === null && control - first >= state.routes.doubtMs) state.second = control;
    return state.second;
  }

  #switchOver(peer: PeerKey, state: PeerState, dead: Path): void {
    const { standby } = state.routes;
    if (standby === null) return;
    const routes = { ...state.routes, active: standby, standby: null };
    Object.assign(state, { routes, first: null, second: null });
    this.#host.verdict("path-dead", peer, dead);
  }

  #receivedAt(path: Path): Instant {
    return this.#paths.get(path)?.receivedAt ?? NEVER;
  }
}
