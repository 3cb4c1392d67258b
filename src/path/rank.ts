/**
 * Which of a peer's proven paths carries traffic, and which one is kept warm as the second.
 *
 * @module
 */
import type { Path } from "../base/mod.ts";
import { MISSES_DOUBT } from "./constants.ts";
import type { PathState } from "./peer_paths.ts";

/** The paths to use: `active` sends, `standby` takes over when that dies. */
export interface Choice {
  readonly active: Path | null;
  readonly standby: Path | null;
}

/** A relayed path must beat a direct one by this factor and margin. Guess. */
const RELAY_FACTOR = 1.5;
const RELAY_MARGIN_MS = 20;
/** A new path must be better by this much, or the old one stays. Source: overlay research §5.4. */
const HYSTERESIS_MS = 5;
const HYSTERESIS_FACTOR = 0.9;

/** Chooses among `paths`, keeping `current` unless another is clearly better. */
export function choosePaths(paths: Iterable<PathState>, current: string | null): Choice {
  const proven = [...paths].filter((path) => path.provenAt !== null);
  proven.sort((a, b) => score(a) - score(b) || (a.path < b.path ? -1 : 1));
  const best = proven[0];
  if (best === undefined) return { active: null, standby: null };
  const held = proven.find((path) => path.path === current && isHealthy(path));
  const active = held !== undefined && !clearlyBetter(best, held) ? held : best;
  const rest = proven.filter((path) => path !== active);
  const other = rest.find((path) => path.relayed !== active.relayed && isHealthy(path));
  const standby = other ?? rest[0];
  return { active: active.path, standby: standby?.path ?? null };
}

/** A path that is in doubt ranks behind every path that answers. */
function score(path: PathState): number {
  const rtt = path.rttMs ?? 1_000;
  const base = path.relayed ? rtt * RELAY_FACTOR + RELAY_MARGIN_MS : rtt;
  return isHealthy(path) ? base : base + path.misses * 10_000;
}

function isHealthy(path: PathState): boolean {
  return path.misses < MISSES_DOUBT;
}

function clearlyBetter(a: PathState, b: PathState): boolean {
  return score(a) < score(b) - HYSTERESIS_MS && score(a) < score(b) * HYSTERESIS_FACTOR;
}
