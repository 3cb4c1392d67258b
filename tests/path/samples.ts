/**
 * What the tests of paths share: moments, and paths in any state.
 *
 * @module
 */
import type { Instant } from "../../src/base/mod.ts";
import type { PathState } from "../../src/path/peer_paths.ts";
import { asPath } from "../../src/wire/mod.ts";

export const at = (ms: number): Instant => ms as Instant;

/** A path that has been proven, changed as wanted; `path` with a `#` is relayed. */
export function pathState(path: string, changes: Partial<PathState> = {}): PathState {
  return {
    path: asPath(path),
    relayed: path.includes("#"),
    provenAt: at(0),
    rttVarMs: 0,
    rttMs: 10,
    heardAt: at(0),
    misses: 0,
    nextPingAt: at(0),
    pending: new Map(),
    isAsking: false,
    answers: [],
    sinceAt: at(0),
    unansweredMax: Infinity,
    isSilenced: false,
    isClaimed: false,
    pongsLeft: 0,
    ...changes,
  };
}
