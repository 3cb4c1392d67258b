/**
 * What goes into reach and what comes out of it.
 *
 * @module
 */
import type { NetworkId, NodeId, PartIn, PartOut, Path, PeerKey, Refused } from "../base/mod.ts";

/** The calls that reach makes. */
export type ReachCalls = {
  readonly "relay.allocate": {
    readonly question: { readonly peer: string };
    /** `address`: where the relay sees the peer. */
    readonly answer: { readonly session: number; readonly address: string };
  };
};

/** What reach must know of a peer's record. */
export interface Sought {
  readonly alias: string | null;
  /** `IP:PORT` at which it says that it listens. */
  readonly addresses: readonly string[];
  /** Relays that serve it. */
  readonly relays: readonly { readonly id: NodeId }[];
}

/** Why one way did not lead to the peer. */
export type Failure =
  /** The relay said so itself. */
  | { readonly type: "refused"; readonly relay: PeerKey; readonly refused: Refused }
  | {
    readonly type: "unanswered";
    readonly relay: PeerKey;
    readonly failed: "timeout" | "gone" | "busy" | "malformed";
  }
  /** The relay was gone when its answer was there. */
  | { readonly type: "relay-gone"; readonly relay: PeerKey }
  /** No session came to be: of the session's reasons, or `unwanted`. */
  | { readonly type: "dial-failed"; readonly reason: string; readonly detail: string | null };

/** Who is not there. */
export interface Absent {
  readonly peer: PeerKey;
  /** As its record says, where one was found. */
  readonly alias: string | null;
}

/** Why a peer is not reached. */
export type Unreached =
  /** The node does not belong to that network, or not any more. */
  | { readonly reason: "no-network" }
  /** The time of who wants it is over; the attempt goes on for the others. */
  | { readonly reason: "late" }
  /** Too many are wanted. */
  | { readonly reason: "busy" }
  /** No relay is connected, and its record names no address that answers. */
  | { readonly reason: "no-relay"; readonly peer: PeerKey }
  /** Relays said that they do not know where it is; `first`: the first of them. */
  | ({ readonly reason: "offline"; readonly first: Failure } & Absent)
  /** A relay knows it, or nothing is known of it, and it does not answer. */
  | ({ readonly reason: "silent"; readonly first: Failure | null } & Absent)
  /** Somebody answered that it is not to be: no member, no room at the relay. */
  | { readonly reason: "failed"; readonly failure: Failure };

/** A relay that is there, and the direct path to it. */
export interface HomeRelay {
  readonly peer: PeerKey;
  readonly path: Path;
}

/** Inputs of reach's own. */
export type ReachOwnIn =
  | { readonly type: "network"; readonly network: NetworkId }
  | { readonly type: "network-left"; readonly network: NetworkId }
  /** The relays of a network with which there is a session over a direct path, the best first. */
  | {
    readonly type: "relays";
    readonly network: NetworkId;
    readonly home: readonly HomeRelay[];
  }
  /** There is to be a session with the peer; ends in one `reached` or `unreached`, unless `unwant` came. */
  | {
    readonly type: "want";
    readonly token: number;
    readonly peer: PeerKey;
    readonly timeoutMs: number;
  }
  /** The same with whoever listens at an address that a person named; `node` null: whoever that is. */
  | {
    readonly type: "want-address";
    readonly token: number;
    readonly network: NetworkId;
    readonly node: NodeId | null;
    /** `IP:PORT` or `HOST:PORT`. */
    readonly address: string;
    readonly timeoutMs: number;
  }
  | { readonly type: "unwant"; readonly token: number }
  /** The answer to `find`. */
  | {
    readonly type: "found";
    readonly token: number;
    readonly peer: PeerKey;
    readonly record: Sought | null;
  };

/** Outputs of reach's own. */
export type ReachOwnOut =
  | { readonly type: "reached"; readonly token: number; readonly peer: PeerKey }
  | { readonly type: "unreached"; readonly token: number; readonly why: Unreached }
  /** Whose record is wanted; answered by one `found`. */
  | {
    readonly type: "find";
    readonly token: number;
    readonly peer: PeerKey;
    readonly timeoutMs: number;
  }
  /** A relay says where it sees the peer: server-reflexive, if that relay's word counts. */
  | {
    readonly type: "relay-saw";
    readonly relay: PeerKey;
    readonly peer: PeerKey;
    /** `IP:PORT`. */
    readonly address: string;
  };

/** All inputs. */
export type ReachIn = ReachOwnIn | PartIn<ReachCalls, Record<never, never>>;
/** All outputs. */
export type ReachOut = ReachOwnOut | PartOut<ReachCalls, Record<never, never>>;
