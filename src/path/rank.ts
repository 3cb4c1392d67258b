/**
 * Which of a peer's proven paths carries traffic, and which one is kept warm as the second.
 *
 * Paths are ordered by their rank: one that answers before one in doubt, then the quicker, where a relay
 * counts as slower than it is, then by name. The path in use stays unless another is clearly better.
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

/** What a proven path is worth; the fields in the order of their weight, less is better. */
interface Rank {
  /** Misses in a row, once they are doubt; else 0. */
  readonly doubt: number;
  /** Round trip, with what a relay must be quicker by. */
  readonly costMs: number;
  /** The same at both ends, so that both choose alike. */
  readonly path: Path;
  readonly relayed: boolean;
}

/** A relayed path must beat a direct one by this factor and margin. Guess. */
const RELAY_FACTOR = 1.5;
const RELAY_MARGIN_MS = 20;
/** What a path costs whose round trip is not known. Source: RFC 6298 §2.1, its first wait. */
const UNKNOWN_RTT_MS = 1_000;
/** A new path must be better by this much, or the old one stays. Source: overlay research §5.4. */
const HYSTERESIS_MS = 5;
const HYSTERESIS_FACTOR = 0.9;

/** Chooses among `paths`, keeping `current` unless another is clearly better. */
export function choosePaths(paths: Iterable<PathState>, current: Path | null): Choice {
  const ranks = [...paths].filter((path) => path.provenAt !== null).map(rankOf).sort(compare);
  const best = ranks[0];
  if (best === undefined) return { active: null, standby: null };
  const held = ranks.find((rank) => rank.path === current && rank.doubt === 0);
  const active = held !== undefined && !isClearlyBetter(best, held) ? held : best;
  const rest = ranks.filter((rank) => rank !== active);
  const other = rest.find((rank) => rank.relayed !== active.relayed && rank.doubt === 0);
  return { active: active.path, standby: (other ?? rest[0])?.path ?? null };
}

function rankOf({ path, relayed, rttMs, misses }: PathState): Rank {
  const rtt = rttMs ?? UNKNOWN_RTT_MS;
  const costMs = relayed ? rtt * RELAY_FACTOR + RELAY_MARGIN_MS : rtt;
  return { doubt: misses < MISSES_DOUBT ? 0 : misses, costMs, path, relayed };
}

/** Negative where `a` is the better one. */
function compare(a: Rank, b: Rank): number {
  return a.doubt - b.doubt || a.costMs - b.costMs || (a.path < b.path ? -1 : 1);
}

/** Of two that are not in doubt. */
function isClearlyBetter(a: Rank, b: Rank): boolean {
  return a.costMs < b.costMs - HYSTERESIS_MS && a.costMs < b.costMs * HYSTERESIS_FACTOR;
}
