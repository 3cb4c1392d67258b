/**
 * Paths to all peers: keeps them proven by pings, chooses what carries traffic, drives the upgrade
 * from relayed to direct, and says when a peer cannot be reached any more.
 *
 * ```text
 *   peer-up ─▶ paths ── wake: pings ──▶ pong ──▶ proven ──▶ choice (rank.ts) ──▶ routes, moved
 *                │                        └ none, thrice ──▶ gone ──▶ lost, where it was the last
 *                └ only relayed: offer-candidates ──▶ punch ──▶ the gate ──▶ openers, probes
 * ```
 *
 * The crypto is elsewhere: what it sends goes inside the peer's session, and what it takes came out
 * of one. So what reaches it is the peer's word; the address that it came from may be forged.
 *
 * Each peer has one deadline in a heap: what a turn costs does not grow with the peers.
 *
 * @module
 */
import {
  after,
  BoundedMap,
  type Instant,
  type Machine,
  type Path,
  type PeerKey,
  type Random,
  stepMs,
  Timers,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import { scopeOfPath } from "../wire/mod.ts";
import { MISSES_DOUBT, PEERS_MAX, PONG_WAIT_MS, PUNCH_BACKOFF_MS } from "./constants.ts";
import { pingIntervalMs } from "./demands.ts";
import { Gate } from "./gate.ts";
import { Histories, type PathEvent, type PathEventView } from "./history.ts";
import { parseProbe } from "./messages.ts";
import {
  claim,
  dueOf,
  freshPeer,
  hurry,
  NO_ROUTES,
  patienceOf,
  type PeerState,
  type Turn,
  viewsOf,
  wantsOffer,
} from "./peer.ts";
import { Prober } from "./prober.ts";
import { Punch } from "./punch.ts";
import { choosePaths } from "./rank.ts";
import type { PathIn, PathOut, PathView } from "./types.ts";

/** An input that concerns one peer. */
type PeerIn = Extract<PathIn, { readonly peer: PeerKey }>;

/** The machine of all paths of a node. */
export class PathMachine implements Machine<PathIn, PathOut> {
  readonly #gate: Gate;
  readonly #peers = new BoundedMap<PeerKey, PeerState>(PEERS_MAX, "refuse");
  readonly #histories = new Histories();
  readonly #prober: Prober;
  readonly #timers = new Timers<PeerKey>();
  /** Peers that are reached on this very machine. */
  readonly #onLoopback = new Set<PeerKey>();

  constructor(random: Random, gate: Gate = new Gate()) {
    this.#gate = gate;
    this.#prober = new Prober(random, gate, this.#histories);
  }

  handle(input: PathIn, now: Instant, out: PathOut[]): void {
    switch (input.type) {
      case "network-changed":
        return this.#onNetworkChanged(now, out);
      case "wake":
        return this.#onWake(now, out);
      default:
        this.#onPeer(input, now, out);
        if (input.type !== "heard") this.#arm(input.peer);
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

  /** Milliseconds since anything was heard on the active path; `null` where there is none. */
  heardMsAgo(peer: PeerKey, now: Instant): number | null {
    const state = this.#peers.get(peer);
    const active = state?.active ?? null;
    const path = active === null ? undefined : state?.paths.get(active);
    return path === undefined ? null : now - path.heardAt;
  }

  /** All proven paths of the peer, the active one first. */
  views(peer: PeerKey, now: Instant): PathView[] {
    const state = this.#peers.get(peer);
    return state === undefined ? [] : viewsOf(state, now);
  }

  /** What was tried to reach the peer, oldest first; it outlives the session. */
  history(peer: PeerKey, now: Instant): PathEventView[] {
    return this.#histories.of(peer, now);
  }

  #onPeer(input: PeerIn, now: Instant, out: PathOut[]): void {
    const { peer } = input;
    if (input.type === "peer-up") return this.#onPeerUp(input, now, out);
    const state = this.#peers.get(peer);
    if (state === undefined) return;
    const turn = { peer, state, now, out };
    switch (input.type) {
      case "peer-down":
        return this.#onPeerDown(turn);
      case "add-path":
        if (state.paths.add(input.path, now) !== undefined) this.#pass(turn);
        return;
      case "remove-path":
        if (state.paths.remove(input.path)) this.#settle(turn);
        return;
      case "probe":
        return this.#onProbe(input, turn);
      case "heard":
        return this.#onHeard(input.path, turn);
      case "demand":
        return this.#onDemand(input, turn);
      case "punch":
        return this.#onPunch(input, turn);
      case "path-doubt":
        return this.#onPathDoubt(input.path, turn);
      case "path-dead":
        return this.#onPathDead(input.path, turn);
      default:
        unreachable(input);
    }
  }

  #onPeerUp(
    input: Extract<PathIn, { type: "peer-up" }>,
    now: Instant,
    out: PathOut[],
  ): void {
    const { peer } = input;
    const state = this.#peers.get(peer) ?? freshPeer(input.punch, now);
    if (!this.#peers.set(peer, state)) return;
    state.drives = input.punch;
    const path = state.paths.add(input.path, now, !input.proven);
    if (path === undefined) return;
    const turn = { peer, state, now, out };
    if (input.proven) {
      path.heardAt = now;
      path.misses = 0;
      this.#prober.prove(path, turn);
    } else claim(path, now);
    this.#choose(turn);
    this.#pass(turn);
  }

  #onPeerDown({ peer, state, out }: Turn): void {
    this.#forget(peer);
    if (state.routes === NO_ROUTES) return;
    const patienceMs = PONG_WAIT_MS;
    out.push({ type: "routes", peer, active: null, standby: null, accept: [], patienceMs });
  }

  #onProbe(input: Extract<PathIn, { type: "probe" }>, turn: Turn): void {
    const { peer, state, now, out } = turn;
    const probe = parseProbe(input.bytes);
    if (!probe.ok) return;
    const { nonce } = probe.value;
    if (probe.value.type === "ping") return this.#prober.answer(input.path, nonce, turn);
    const path = state.paths.get(input.path);
    if (path === undefined) return;
    const wasProven = path.provenAt !== null;
    if (!state.paths.ponged(path, nonce, now)) return;
    this.#gate.answered(path.path, now);
    if (!wasProven) this.#note({ type: "proven", path: path.path, rttMs: path.rttMs }, turn);
    const { observed } = probe.value;
    if (observed !== null && !path.relayed) {
      out.push({ type: "observed", peer, path: path.path, address: observed });
    }
    if (!path.relayed) Object.assign(state, { punch: null, attempts: 0 });
    this.#choose(turn);
    path.nextPingAt = after(now, pingIntervalMs(state.demand, path.path === state.active));
  }

  #onHeard(path: Path, { state, now }: Turn): void {
    const heard = state.paths.get(path);
    if (heard !== undefined) heard.heardAt = now;
  }

  #onDemand({ demand }: Extract<PathIn, { type: "demand" }>, { state, now }: Turn): void {
    if (state.demand === demand) return;
    state.demand = demand;
    for (const path of state.paths.all()) {
      if (path.isAsking || path.nextPingAt === null) continue;
      const intervalMs = pingIntervalMs(demand, path.path === state.active);
      const waitMs = Math.min(path.nextPingAt - now, intervalMs);
      path.nextPingAt = after(now, Math.max(0, waitMs));
    }
  }

  /** The candidates pass the gate; those that are admitted get openers now, and pings by the schedule. */
  #onPunch({ candidates, startInMs }: Extract<PathIn, { type: "punch" }>, turn: Turn): void {
    const { state, now } = turn;
    const isLocal = state.active !== null && scopeOfPath(state.active) === "loopback";
    const judged = this.#gate.candidates(candidates, isLocal);
    for (const each of judged) {
      const { address, source, vouchedBy } = each.candidate;
      if (each.type === "refused") {
        this.#note({ type: "refused", address, source, reason: each.reason }, turn);
      } else this.#note({ type: "tried", path: each.target.path, source, vouchedBy }, turn);
    }
    const targets = judged.flatMap((each) => each.type === "admitted" ? [each.target] : []);
    if (targets.length === 0) return;
    state.punch = new Punch(targets, after(now, startInMs));
    this.#prober.shoot(state.punch.openers(), turn);
    this.#pass(turn);
  }

  #onPathDoubt(path: Path, turn: Turn): void {
    const doubted = turn.state.paths.get(path);
    if (doubted === undefined || doubted.provenAt === null || doubted.isAsking) return;
    doubted.nextPingAt = turn.now;
    this.#pass(turn);
  }

  #onPathDead(path: Path, turn: Turn): void {
    const dead = turn.state.paths.get(path);
    if (dead === undefined) return;
    dead.misses = Math.max(dead.misses, MISSES_DOUBT);
    if (!dead.isAsking) dead.nextPingAt = turn.now;
    this.#choose(turn);
    this.#pass(turn);
  }

  /** The one input that concerns all peers: each of their paths is doubted. */
  #onNetworkChanged(now: Instant, out: PathOut[]): void {
    for (const [peer, state] of [...this.#peers]) {
      state.attempts = 0;
      state.nextOfferAt = now;
      hurry(state, now);
      const due = dueOf(state);
      if (due !== undefined && due.at <= now) this.#pass({ peer, state, now, out });
      this.#arm(peer);
    }
  }

  /** Each peer that is due has one turn, so that none that stays due keeps the others waiting. */
  #onWake(now: Instant, out: PathOut[]): void {
    const due: PeerKey[] = [];
    for (let peer = this.#timers.takeDue(now); peer; peer = this.#timers.takeDue(now)) {
      due.push(peer);
    }
    for (const peer of due) {
      const state = this.#peers.get(peer);
      if (state !== undefined) this.#pass({ peer, state, now, out });
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

  /** Does for one peer whatever is due. */
  #pass(turn: Turn): void {
    const { state, now } = turn;
    const hasEnded = this.#prober.lapse(turn);
    for (const path of state.paths.all()) {
      const isDue = path.nextPingAt !== null && now >= path.nextPingAt;
      if (isDue && !path.isAsking) this.#prober.ping(path, turn);
    }
    if (state.punch !== null) this.#prober.shoot(state.punch.due(now), turn);
    if (state.punch?.dueAt() === undefined) state.punch = null;
    if (hasEnded || state.paths.size === 0) this.#settle(turn);
    else this.#choose(turn);
    this.#offer(turn);
  }

  #offer({ peer, state, now, out }: Turn): void {
    if (!wantsOffer(state) || state.nextOfferAt === null || now < state.nextOfferAt) return;
    state.nextOfferAt = after(now, stepMs(PUNCH_BACKOFF_MS, state.attempts));
    state.attempts++;
    out.push({ type: "offer-candidates", peer, attempt: state.attempts });
  }

  /** After a path ended: choose again, or tell that the peer is lost. */
  #settle(turn: Turn): void {
    const { peer, state, now, out } = turn;
    this.#choose(turn);
    if (state.active !== null) {
      const { nextOfferAt } = state;
      state.nextOfferAt = nextOfferAt === null || now < nextOfferAt ? now : nextOfferAt;
      return;
    }
    this.#forget(peer);
    out.push({ type: "lost", peer });
  }

  #choose(turn: Turn): void {
    const { peer, state, out } = turn;
    const { active, standby } = choosePaths(state.paths.all(), state.active);
    const accept = [...state.paths.all()].filter((p) => p.provenAt !== null).map((p) => p.path);
    const inUse = active === null ? undefined : state.paths.get(active);
    const patienceMs = patienceOf(inUse, state.patienceMs);
    const routes = JSON.stringify([active, standby, accept, patienceMs]);
    if (routes === state.routes) return;
    const from = state.active;
    Object.assign(state, { active, standby, routes, patienceMs });
    out.push({ type: "routes", peer, active, standby, accept, patienceMs });
    if (active === from) return;
    if (active !== null && scopeOfPath(active) === "loopback") this.#onLoopback.add(peer);
    else this.#onLoopback.delete(peer);
    this.#note({ type: "moved", from, to: active }, turn);
    out.push({ type: "moved", peer, from, to: active });
  }

  #note(event: PathEvent, { peer, now }: Turn): void {
    this.#histories.note(peer, event, now);
  }
}
