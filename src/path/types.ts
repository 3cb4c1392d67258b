/**
 * What goes into the path machine and what comes out of it.
 *
 * @module
 */
import type { Path, PeerKey } from "../base/mod.ts";
import type { Candidate } from "./candidate.ts";
import type { Demand } from "./demands.ts";

/** Inputs of the path machine. */
export type PathIn =
  /** A session with the peer is up; `punch` makes us drive the upgrade. */
  | {
    readonly type: "peer-up";
    readonly peer: PeerKey;
    readonly path: Path;
    /** Whether the handshake proved that the peer is at `path`; else pings must. */
    readonly proven: boolean;
    readonly punch: boolean;
  }
  | { readonly type: "peer-down"; readonly peer: PeerKey }
  /** Another path that may lead to the peer: a relay session was made. */
  | { readonly type: "add-path"; readonly peer: PeerKey; readonly path: Path }
  | { readonly type: "remove-path"; readonly peer: PeerKey; readonly path: Path }
  /** A ping or pong arrived inside the peer's session. */
  | {
    readonly type: "probe";
    readonly peer: PeerKey;
    readonly path: Path;
    readonly bytes: Uint8Array;
  }
  /** Anything authenticated arrived from the peer on `path`. */
  | { readonly type: "heard"; readonly peer: PeerKey; readonly path: Path }
  | { readonly type: "demand"; readonly peer: PeerKey; readonly demand: Demand }
  /**
   * Both sides know each other's candidates, first the most credible: openers now, full pings in
   * `startInMs`, to those that the gate admits.
   */
  | {
    readonly type: "punch";
    readonly peer: PeerKey;
    readonly candidates: readonly Candidate[];
    readonly startInMs: number;
  }
  /** The native data path sent on it and hears nothing: a ping at once decides. */
  | { readonly type: "path-doubt"; readonly peer: PeerKey; readonly path: Path }
  /** The native data path found the active path dead and has switched. */
  | { readonly type: "path-dead"; readonly peer: PeerKey; readonly path: Path }
  /** Our own addresses changed: every path is doubted, every back-off starts anew. */
  | { readonly type: "network-changed" }
  | { readonly type: "wake" };

/** Outputs of the path machine. */
export type PathOut =
  /** Send a ping or pong inside the peer's session; `ttl` 0 is the system's default. */
  | {
    readonly type: "send";
    readonly peer: PeerKey;
    readonly path: Path;
    readonly payload: Uint8Array;
    readonly ttl: number;
  }
  /** The data path's table for the peer. */
  | {
    readonly type: "routes";
    readonly peer: PeerKey;
    readonly active: Path | null;
    readonly standby: Path | null;
    readonly accept: readonly Path[];
    /** How long an answer on the active path may take. */
    readonly patienceMs: number;
  }
  /** The active path is another one now. */
  | {
    readonly type: "moved";
    readonly peer: PeerKey;
    readonly from: Path | null;
    readonly to: Path | null;
  }
  /** The peer, which is at the other end of the direct `path`, sees us at `address`. */
  | {
    readonly type: "observed";
    readonly peer: PeerKey;
    readonly path: Path;
    readonly address: string;
  }
  /** Time to exchange candidates with the peer: we drive, and the path is relayed. */
  | { readonly type: "offer-candidates"; readonly peer: PeerKey; readonly attempt: number }
  /** No path to the peer is left. */
  | { readonly type: "lost"; readonly peer: PeerKey };

/** What is shown of a path. */
export interface PathView {
  readonly path: Path;
  readonly relayed: boolean;
  readonly rttMs: number | null;
  readonly loss: number | null;
  /** Milliseconds for which the path has been proven. */
  readonly provenForMs: number;
  /** Milliseconds since anything was heard on it. */
  readonly heardMsAgo: number;
}
