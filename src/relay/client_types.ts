/**
 * What goes into a relay's client and what comes out of it, besides what every part takes and gives.
 *
 * @module
 */
import type { NamedNode, NetworkId, PartIn, PartOut, Path, PeerKey } from "../base/mod.ts";
import type { AllocateCalls, OfferCalls } from "./calls.ts";

/** A relay with which there is a session over a direct path. */
export interface HomeRelay {
  readonly peer: PeerKey;
  readonly path: Path;
}

/** Inputs of a relay's client. */
export type RelayClientIn =
  /** A network is joined, or is entered elsewhere: all entries, those of an invite, the newest first. */
  | {
    readonly type: "network";
    readonly network: NetworkId;
    readonly entries: readonly NamedNode[];
  }
  | { readonly type: "network-left"; readonly network: NetworkId }
  /** All nodes whose current records say that they are relays, those known for longest first. */
  | {
    readonly type: "relay-records";
    readonly network: NetworkId;
    readonly relays: readonly NamedNode[];
  }
  /** Somebody needs a relay of the network now: whoever waits to be tried again is tried at once. */
  | { readonly type: "relay-wanted"; readonly network: NetworkId }
  /** How much the paths to a peer matter: to a busy one a second path is kept. */
  | {
    readonly type: "demand";
    readonly peer: PeerKey;
    readonly demand: "hold" | "warm" | "busy";
  }
  /** A relay said, asked by another part, where it sees a peer. */
  | {
    readonly type: "relay-saw";
    readonly relay: PeerKey;
    readonly peer: PeerKey;
    /** `IP:PORT`. */
    readonly address: string;
  };

/** Outputs of a relay's client. */
export type RelayClientOut =
  /** The relay's paths matter from now on, or no longer. */
  | {
    readonly type: "claim";
    readonly peer: PeerKey;
    readonly use: "relay";
    readonly demand: "warm";
  }
  | { readonly type: "drop"; readonly peer: PeerKey; readonly use: "relay" }
  /** The relays of a network that are there, or whether one is tried, changed; and after `relay-wanted`. */
  | {
    readonly type: "relays";
    readonly network: NetworkId;
    /** In the order in which they were met, at most `RELAYS_MAX`. */
    readonly home: readonly HomeRelay[];
    /** Whether some other may be there in a moment: a session with it is being begun. */
    readonly isTrying: boolean;
  }
  /** Where a relay sees the peer from outside of our NATs: a candidate that it vouches for. */
  | { readonly type: "server-reflexive"; readonly peer: PeerKey; readonly address: string }
  /** A path to a peer with which there is a session. */
  | { readonly type: "add-path"; readonly peer: PeerKey; readonly path: Path };

/** All that goes into a relay's client. */
export type RelayClientInput = RelayClientIn | PartIn<AllocateCalls, OfferCalls>;
/** All that comes out of it. */
export type RelayClientOutput = RelayClientOut | PartOut<AllocateCalls, OfferCalls>;
