/**
 * What the path machine keeps of one peer, and what is due for it.
 *
 * @module
 */
import { earlier, type Instant, type Path, type PeerKey, type Wakeup } from "../base/mod.ts";
import { PONG_WAIT_MS, UNVOUCHED_PROBES_MAX } from "./constants.ts";
import type { Demand } from "./demands.ts";
import { lossOf, type PathState, PeerPaths, pongWaitMs } from "./peer_paths.ts";
import type { Punch } from "./punch.ts";
import type { PathOut, PathView } from "./types.ts";

/** The routes of a peer of which no path is proven: the data path does not know it. */
export const NO_ROUTES = JSON.stringify([null, null, [], PONG_WAIT_MS]);

/** One peer. */
export interface PeerState {
  readonly paths: PeerPaths;
  demand: Demand;
  active: Path | null;
  standby: Path | null;
  /** What the data path was told last. */
  routes: string;
  /** The wait for an answer on the active path, as the data path was told. */
  patienceMs: number;
  /** Whether this side drives the upgrade; the other one answers. */
  drives: boolean;
  /** Upgrades begun since the last direct path. */
  attempts: number;
  nextOfferAt: Instant | null;
  punch: Punch | null;
}

/** What is done for one peer in one turn. */
export interface Turn {
  readonly peer: PeerKey;
  readonly state: PeerState;
  readonly now: Instant;
  readonly out: PathOut[];
}

/** A peer of whom nothing is known yet. */
export function freshPeer(drives: boolean, now: Instant): PeerState {
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

/** When something is to be done for a peer. */
export function dueOf(state: PeerState): Wakeup | undefined {
  let next: Wakeup | undefined;
  for (const path of state.paths.all()) {
    const at = state.paths.timerAt(path);
    if (at === null || (next !== undefined && next.at <= at)) continue;
    next = { at, why: `ping ${path.path}` };
  }
  const punchAt = state.punch?.dueAt();
  if (punchAt !== undefined) next = earlier(next, { at: punchAt, why: "punch" });
  const offerAt = wantsOffer(state) ? state.nextOfferAt : null;
  return offerAt === null ? next : earlier(next, { at: offerAt, why: "offer candidates" });
}

/** Only a peer without a direct path is worth an upgrade, and only one side drives it. */
export function wantsOffer(state: PeerState): boolean {
  if (!state.drives || state.punch !== null || state.active === null) return false;
  for (const path of state.paths.all()) {
    if (path.provenAt !== null && !path.relayed) return false;
  }
  return true;
}

/** The peer says that it is there, and its source may be forged: a few pings may ask. */
export function claim(path: PathState, now: Instant): void {
  if (path.provenAt !== null || path.isClaimed) return;
  path.isClaimed = true;
  path.unansweredMax += UNVOUCHED_PROBES_MAX;
  path.nextPingAt = now;
}

/** Every proven path is pinged now: the network changed, or the active one missed a ping. */
export function hurry(state: PeerState, now: Instant): void {
  for (const path of state.paths.all()) {
    if (path.provenAt !== null && !path.isAsking) path.nextPingAt = now;
  }
}

/** The wait in steps of two, so that the data path is told seldom: up at once, down when far below. */
export function patienceOf(active: PathState | undefined, current: number): number {
  if (active === undefined || active.rttMs === null) return PONG_WAIT_MS;
  const neededMs = active.rttMs + 4 * active.rttVarMs;
  if (neededMs <= current && neededMs > current * 3 / 8) return current;
  return PONG_WAIT_MS * 2 ** Math.max(0, Math.ceil(Math.log2(pongWaitMs(active) / PONG_WAIT_MS)));
}

/** All proven paths of the peer, the active one first. */
export function viewsOf(state: PeerState, now: Instant): PathView[] {
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
