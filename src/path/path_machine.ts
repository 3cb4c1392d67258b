/**
 * Paths to all peers: keeps them proven by pings, chooses what carries traffic, drives the upgrade
 * from relayed to direct, and says when a peer cannot be reached any more.
 *
 * The crypto is elsewhere: what it sends goes inside the peer's session, and what it takes came out
 * of one. So what reaches it is the peer's word; the address that it came from may be forged.
 *
 * @module
 */
import {
  after,
  BoundedMap,
  earlier,
  type Instant,
  type Machine,
  type Path,
  type PeerKey,
  type Random,
  Timers,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import { asPath, scopeOfPath } from "../wire/mod.ts";
import { ProbeBudget, type Shot } from "./budget.ts";
import { choosePaths } from "./rank.ts";
import {
  MISSES_DOUBT,
  PEERS_MAX,
  PING_BUSY_MS,
  PING_HOLD_MS,
  PING_WARM_MS,
  PING_WIRE_BYTES,
  PONG_WAIT_MS,
  PUNCH_BACKOFF_MS,
  UNVOUCHED_PROBES_MAX,
} from "./constants.ts";
import { encodePing, encodePong, parseProbe } from "./messages.ts";
import { lossOf, type PathState, PeerPaths, pongWaitMs, prove } from "./peer_paths.ts";
import { Punch, type PunchShot } from "./punch.ts";
import type { Demand, PathIn, PathOut, PathView } from "./types.ts";

/** The routes of a peer of which no path is proven: the data path does not know it. */
const NO_ROUTES = JSON.stringify([null, null, [], PONG_WAIT_MS]);

interface PeerState {
  readonly paths: PeerPaths;
  demand: Demand;
  active: Path | null;
  standby: Path | null;
  routes: string;
  /** The wait for an answer on the active path, as the data path was told. */
  patienceMs: number;
  /** Whether this side drives the upgrade; the other one answers. */
  drives: boolean;
  attempts: number;
  nextOfferAt: Instant | null;
  punch: Punch | null;
}

/** The machine of all paths of a node. */
export class PathMachine implements Machine<PathIn, PathOut> {
  readonly #random: Random;
  readonly #budget: ProbeBudget;
  readonly #peers = new BoundedMap<PeerKey, PeerState>(PEERS_MAX, "refuse");
  readonly #timers = new Timers<PeerKey>();
  /** Peers that are reached on this very machine. */
  readonly #onLoopback = new Set<PeerKey>();

  constructor(random: Random, budget: ProbeBudget = new ProbeBudget()) {
    this.#random = random;
    this.#budget = budget;
  }

  handle(input: PathIn, now: Instant, out: PathOut[]): void {
    this.#handle(input, now, out);
    if ("peer" in input && input.type !== "heard") this.#arm(input.peer);
  }

  #handle(input: PathIn, now: Instant, out: PathOut[]): void {
    switch (input.type) {
      case "peer-up":
        return this.#onPeerUp(input, now, out);
      case "peer-down":
        return this.#onPeerDown(input.peer, out);
      case "add-path":
        return this.#onAddPath(input.peer, input.path, now, out);
      case "remove-path":
        return this.#onRemovePath(input.peer, input.path, now, out);
      case "probe":
        return this.#onProbe(input, now, out);
      case "heard":
        return this.#onHeard(input.peer, input.path, now);
      case "demand":
        return this.#onDemand(input.peer, input.demand, now);
      case "punch":
        return this.#onPunch(input, now, out);
      case "path-doubt":
        return this.#onPathDoubt(input.peer, input.path, now, out);
      case "path-dead":
        return this.#onPathDead(input.peer, input.path, now, out);
      case "network-changed":
        return this.#onNetworkChanged(now, out);
      case "wake":
        return this.#onWake(now, out);
      default:
        unreachable(input);
    }
  }

  wakeup(): Wakeup | undefined {
    return this.#timers.next();
  }

  /** The path on which to send to the peer, or `null` where none is proven. */
  active(peer: PeerKey): Path | null {
    return this.#peers.get(peer)?.active ?? null;
  }

  /** Whether some path to the peer leads through a relay, proven or not. */
  hasRelayed(peer: PeerKey): boolean {
    return [...this.#peers.get(peer)?.paths.all() ?? []].some(({ relayed }) => relayed);
  }

  /** Whether the peer has proved to be there. */
  isProven(peer: PeerKey, path: Path): boolean {
    return (this.#peers.get(peer)?.paths.get(path)?.provenAt ?? null) !== null;
  }

  /** Whether some peer is reached on this very machine. */
  hasLoopback(): boolean {
    return this.#onLoopback.size > 0;
  }

  /** The round trip of a proven path, or `null`. */
  rttMs(peer: PeerKey, path: Path): number | null {
    return this.#peers.get(peer)?.paths.get(path)?.rttMs ?? null;
  }

  /** All proven paths of the peer, the active one first. */
  views(peer: PeerKey, now: Instant): PathView[] {
    const state = this.#peers.get(peer);
    if (state === undefined) return [];
    return [...state.paths.all()]
      .filter((path) => path.provenAt !== null)
      .sort((a, b) => Number(b.path === state.active) - Number(a.path === state.active))
      .map((path) => ({
        path: path.path,
        relayed: path.relayed,
        rttMs: path.rttMs,
        loss: lossOf(path),
        provenForMs: now - (path.provenAt ?? now),
        heardMsAgo: now - path.heardAt,
      }));
  }

  #onPeerUp(
    input: Extract<PathIn, { type: "peer-up" }>,
    now: Instant,
    out: PathOut[],
  ): void {
    const state = this.#peers.get(input.peer) ?? freshPeer(input.punch, now);
    if (!this.#peers.set(input.peer, state)) return;
    state.drives = input.punch;
    const path = state.paths.add(input.path, now, !input.proven);
    if (path === undefined) return;
    if (input.proven) {
      path.heardAt = now;
      path.misses = 0;
      prove(path, now);
    } else claim(path, now);
    this.#choose(input.peer, state, out);
    this.#pass(input.peer, state, now, out);
  }

  #onPeerDown(peer: PeerKey, out: PathOut[]): void {
    const wasRouted = (this.#peers.get(peer)?.routes ?? NO_ROUTES) !== NO_ROUTES;
    this.#forget(peer);
    if (!wasRouted) return;
    const patienceMs = PONG_WAIT_MS;
    out.push({ type: "routes", peer, active: null, standby: null, accept: [], patienceMs });
  }

  #onAddPath(peer: PeerKey, path: Path, now: Instant, out: PathOut[]): void {
    const state = this.#peers.get(peer);
    if (state?.paths.add(path, now) === undefined) return;
    this.#pass(peer, state, now, out);
  }

  #onRemovePath(peer: PeerKey, path: Path, now: Instant, out: PathOut[]): void {
    const state = this.#peers.get(peer);
    if (!state?.paths.remove(path)) return;
    this.#settle(peer, state, now, out);
  }

  #onProbe(input: Extract<PathIn, { type: "probe" }>, now: Instant, out: PathOut[]): void {
    const state = this.#peers.get(input.peer);
    const probe = parseProbe(input.bytes);
    if (state === undefined || !probe.ok) return;
    if (probe.value.type === "ping") {
      return this.#onPing(input.peer, state, { path: input.path, nonce: probe.value.nonce }, {
        now,
        out,
      });
    }
    const path = state.paths.get(input.path);
    if (path === undefined) return;
    if (!state.paths.ponged(path, probe.value.nonce, now)) return;
    this.#budget.answered(path.path, now);
    const { observed } = probe.value;
    if (observed !== null && !path.relayed) {
      out.push({ type: "observed", peer: input.peer, path: path.path, address: observed });
    }
    if (!path.relayed) Object.assign(state, { punch: null, attempts: 0 });
    this.#choose(input.peer, state, out);
    path.nextPingAt = after(now, pingInterval(state, path));
  }

  #onPing(
    peer: PeerKey,
    state: PeerState,
    ping: { path: Path; nonce: Uint8Array },
    { now, out }: { now: Instant; out: PathOut[] },
  ): void {
    const path = state.paths.add(ping.path, now, true);
    if (path === undefined) return;
    path.heardAt = now;
    claim(path, now);
    // Whom we may not ask whether the peer is there, we do not answer either: its source may be forged.
    const isAsked = path.provenAt !== null || path.isAsking;
    if (!isAsked && !this.#budget.allows(shotAt(peer, path), now)) return;
    if (path.provenAt === null && isAsked && path.pongsLeft-- <= 0) return;
    const observed = path.relayed ? null : ping.path;
    const payload = encodePong(ping.nonce, observed);
    out.push({ type: "send", peer, path: ping.path, payload, ttl: 0 });
    if (!isAsked) this.#ping(peer, state, path, { now, out });
  }

  #onHeard(peer: PeerKey, path: Path, now: Instant): void {
    const state = this.#peers.get(peer)?.paths.get(path);
    if (state !== undefined) state.heardAt = now;
  }

  #onDemand(peer: PeerKey, demand: Demand, now: Instant): void {
    const state = this.#peers.get(peer);
    if (state === undefined || state.demand === demand) return;
    state.demand = demand;
    for (const path of state.paths.all()) {
      if (path.isAsking || path.nextPingAt === null) continue;
      const waitMs = Math.min(path.nextPingAt - now, pingInterval(state, path));
      path.nextPingAt = after(now, Math.max(0, waitMs));
    }
  }

  #onPunch(input: Extract<PathIn, { type: "punch" }>, now: Instant, out: PathOut[]): void {
    const state = this.#peers.get(input.peer);
    if (state === undefined || input.targets.length === 0) return;
    state.punch = new Punch(input.targets, after(now, input.startInMs));
    this.#shoot(input.peer, state, state.punch.openers(), { now, out });
    this.#pass(input.peer, state, now, out);
  }

  #onPathDoubt(peer: PeerKey, path: Path, now: Instant, out: PathOut[]): void {
    const state = this.#peers.get(peer);
    const doubted = state?.paths.get(path);
    if (state === undefined || doubted === undefined || doubted.provenAt === null) return;
    if (doubted.isAsking) return;
    doubted.nextPingAt = now;
    this.#pass(peer, state, now, out);
  }

  #onPathDead(peer: PeerKey, path: Path, now: Instant, out: PathOut[]): void {
    const state = this.#peers.get(peer);
    const dead = state?.paths.get(path);
    if (state === undefined || dead === undefined) return;
    dead.misses = Math.max(dead.misses, MISSES_DOUBT);
    if (!dead.isAsking) dead.nextPingAt = now;
    this.#choose(peer, state, out);
    this.#pass(peer, state, now, out);
  }

  #onNetworkChanged(now: Instant, out: PathOut[]): void {
    for (const [peer, state] of [...this.#peers]) {
      state.attempts = 0;
      state.nextOfferAt = now;
      for (const path of state.paths.all()) {
        if (path.provenAt !== null && !path.isAsking) path.nextPingAt = now;
      }
      const due = dueOf(state);
      if (due !== undefined && due.at <= now) this.#pass(peer, state, now, out);
      this.#arm(peer);
    }
  }

  /** Each peer that is due has one turn, so that none that stays due keeps the others waiting. */
  #onWake(now: Instant, out: PathOut[]): void {
    const due: PeerKey[] = [];
    for (
      let peer = this.#timers.takeDue(now);
      peer !== undefined;
      peer = this.#timers.takeDue(now)
    ) {
      due.push(peer);
    }
    for (const peer of due) {
      const state = this.#peers.get(peer);
      if (state !== undefined) this.#pass(peer, state, now, out);
      this.#arm(peer);
    }
  }

  /** Sets when the peer wants attention next. */
  #arm(peer: PeerKey): void {
    const state = this.#peers.get(peer);
    const due = state === undefined ? undefined : dueOf(state);
    if (due === undefined) this.#timers.clear(peer);
    else this.#timers.set(peer, due.at, due.why);
  }

  #forget(peer: PeerKey): void {
    this.#peers.delete(peer);
    this.#onLoopback.delete(peer);
  }

  /** Does for one peer whatever is due at `now`. */
  #pass(peer: PeerKey, state: PeerState, now: Instant, out: PathOut[]): void {
    let ended = false;
    for (const path of [...state.paths.all()]) {
      const before = path.misses;
      ended = state.paths.lapse(path, now) || ended;
      if (path.path === state.active && before === 0 && path.misses > 0) hurry(state, now);
    }
    for (const path of state.paths.all()) {
      if (!path.isAsking && path.nextPingAt !== null && now >= path.nextPingAt) {
        this.#ping(peer, state, path, { now, out });
      }
    }
    if (state.punch !== null) this.#shoot(peer, state, state.punch.due(now), { now, out });
    if (state.punch?.dueAt() === undefined) state.punch = null;
    if (ended || isEmpty(state.paths)) this.#settle(peer, state, now, out);
    else this.#choose(peer, state, out);
    this.#offer(peer, state, now, out);
  }

  #offer(peer: PeerKey, state: PeerState, now: Instant, out: PathOut[]): void {
    if (!wantsOffer(state) || state.nextOfferAt === null || now < state.nextOfferAt) return;
    const waitMs = PUNCH_BACKOFF_MS[Math.min(state.attempts, PUNCH_BACKOFF_MS.length - 1)] ?? 0;
    state.nextOfferAt = after(now, waitMs);
    state.attempts++;
    out.push({ type: "offer-candidates", peer, attempt: state.attempts });
  }

  #shoot(
    peer: PeerKey,
    state: PeerState,
    shots: readonly PunchShot[],
    { now, out }: { now: Instant; out: PathOut[] },
  ): void {
    for (const { address, ttl, windowProbesMax } of shots) {
      const to = asPath(address);
      if (ttl > 0) {
        const opener = { path: to, by: peer, bytes: PING_WIRE_BYTES, allowance: null };
        if (!this.#budget.open(opener, now)) continue;
        const payload = encodePing(this.#random.bytes(8));
        out.push({ type: "send", peer, path: to, payload, ttl });
        continue;
      }
      const path = state.paths.add(to, now, true);
      if (path === undefined) continue;
      path.unansweredMax = Math.max(path.unansweredMax, windowProbesMax);
      this.#ping(peer, state, path, { now, out });
    }
  }

  #ping(
    peer: PeerKey,
    state: PeerState,
    path: PathState,
    { now, out }: { now: Instant; out: PathOut[] },
  ): void {
    if (path.provenAt === null) {
      const shot = shotAt(peer, path);
      if (!this.#budget.allows(shot, now)) {
        path.nextPingAt = null;
        return;
      }
      this.#budget.spend(shot, now);
    }
    const payload = encodePing(state.paths.pinged(path, now, this.#random));
    out.push({ type: "send", peer, path: path.path, payload, ttl: 0 });
  }

  /** After a path ended: choose again, or tell that the peer is lost. */
  #settle(peer: PeerKey, state: PeerState, now: Instant, out: PathOut[]): void {
    this.#choose(peer, state, out);
    if (state.active !== null) {
      state.nextOfferAt = earliest(state.nextOfferAt, now);
      return;
    }
    this.#forget(peer);
    out.push({ type: "lost", peer });
  }

  #choose(peer: PeerKey, state: PeerState, out: PathOut[]): void {
    const { active, standby } = choosePaths(state.paths.all(), state.active);
    const accept = [...state.paths.all()].filter((p) => p.provenAt !== null).map((p) => p.path);
    const patienceMs = patienceOf(
      active === null ? undefined : state.paths.get(active),
      state.patienceMs,
    );
    const routes = JSON.stringify([active, standby, accept, patienceMs]);
    if (routes === state.routes) return;
    const from = state.active;
    Object.assign(state, { active, standby, routes, patienceMs });
    if (active !== null && scopeOfPath(active) === "loopback") this.#onLoopback.add(peer);
    else this.#onLoopback.delete(peer);
    out.push({ type: "routes", peer, active, standby, accept, patienceMs });
    if (active !== from) out.push({ type: "moved", peer, from, to: active });
  }
}

/** A ping to a path that is not proven. */
function shotAt(by: PeerKey, { path, unansweredMax }: PathState): Shot {
  const allowance = unansweredMax === Infinity
    ? null
    : { datagrams: unansweredMax, bytes: Infinity };
  return { path, by, bytes: PING_WIRE_BYTES, allowance };
}

function freshPeer(drives: boolean, now: Instant): PeerState {
  return {
    paths: new PeerPaths(),
    demand: "hold",
    active: null,
    standby: null,
    routes: NO_ROUTES,
    patienceMs: PONG_WAIT_MS,
    drives,
    attempts: 0,
    nextOfferAt: now,
    punch: null,
  };
}

function isEmpty(paths: PeerPaths): boolean {
  return paths.all().next().done === true;
}

/** When something is to be done for a peer. */
function dueOf(state: PeerState): Wakeup | undefined {
  let next: Wakeup | undefined;
  for (const path of state.paths.all()) {
    const at = state.paths.timerAt(path);
    if (at !== null) next = earlier(next, { at, why: `ping ${path.path}` });
  }
  const punchAt = state.punch?.dueAt();
  if (punchAt !== undefined) next = earlier(next, { at: punchAt, why: "punch" });
  const offerAt = wantsOffer(state) ? state.nextOfferAt : null;
  return offerAt === null ? next : earlier(next, { at: offerAt, why: "offer candidates" });
}

/** Only a peer without a direct path is worth an upgrade, and only one side drives it. */
function wantsOffer(state: PeerState): boolean {
  if (!state.drives || state.punch !== null || state.active === null) return false;
  return ![...state.paths.all()].some((path) => path.provenAt !== null && !path.relayed);
}

/** The peer says that it is there, and its source may be forged: a few pings may ask. */
function claim(path: PathState, now: Instant): void {
  if (path.provenAt !== null || path.isClaimed) return;
  path.isClaimed = true;
  path.unansweredMax += UNVOUCHED_PROBES_MAX;
  path.nextPingAt = now;
}

/** The active path missed a ping: whether the others still lead there must be known at once. */
function hurry(state: PeerState, now: Instant): void {
  for (const path of state.paths.all()) {
    if (path.provenAt !== null && !path.isAsking) path.nextPingAt = now;
  }
}

function pingInterval(state: PeerState, path: PathState): number {
  if (path.path === state.active) {
    return { busy: PING_BUSY_MS, warm: PING_WARM_MS, hold: PING_HOLD_MS }[state.demand];
  }
  return state.demand === "busy" ? PING_WARM_MS : PING_HOLD_MS;
}

/** The wait in steps of two, so that the data path is told seldom: up at once, down when far below. */
function patienceOf(active: PathState | undefined, current: number): number {
  if (active === undefined || active.rttMs === null) return PONG_WAIT_MS;
  const neededMs = active.rttMs + 4 * active.rttVarMs;
  if (neededMs <= current && neededMs > current * 3 / 8) return current;
  return PONG_WAIT_MS * 2 ** Math.max(0, Math.ceil(Math.log2(pongWaitMs(active) / PONG_WAIT_MS)));
}

function earliest(a: Instant | null, b: Instant): Instant {
  return a === null || b < a ? b : a;
}
