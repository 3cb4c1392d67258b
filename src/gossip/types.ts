/**
 * What goes into gossip and what comes out of it. Of an item it knows the head; what it says is read by
 * whoever judges it: `membership`, which the node puts behind the one door.
 *
 * @module
 */
import type {
  NamedNode,
  NetworkId,
  NodeId,
  PartIn,
  PartOut,
  Path,
  PeerKey,
  Result,
} from "../base/mod.ts";

/** The calls that gossip makes, and serves where it keeps the directory. */
export type GossipCalls = {
  readonly "record.publish": {
    readonly question: { readonly record: Uint8Array };
    readonly answer: object;
  };
  readonly "record.list": {
    /** Ids after this one; `null`: from the first. */
    readonly question: { readonly after: string | null };
    readonly answer: { readonly records: readonly Uint8Array[]; readonly next: string | null };
  };
};

/** What gossip must know of an item that passed the door. */
export interface Item {
  /** Who signed it: it speaks of nobody else. */
  readonly id: NodeId;
  /** Of two items of one node the one with the higher number counts. */
  readonly seq: number;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
  readonly roles: readonly string[];
  /** As received, to be handed on. */
  readonly bytes: Uint8Array;
}

/** From whom bytes come. */
export interface Source {
  readonly network: NetworkId;
  /**
   * Set where the member says it of itself: then only its own item passes, with no role that these grants
   * lack. `null`: handed on by a directory, or our own.
   */
  readonly speaker: { readonly node: NodeId; readonly grants: readonly string[] } | null;
}

/** Why bytes do not pass the door. The last two: another's item, and a role without the grant. */
export type DoorReason =
  | "malformed"
  | "foreign-network"
  | "bad-signature"
  | "not-yet-valid"
  | "expired"
  | "not-own"
  | "not-granted";

/** The one door: every item of every network comes in through it. */
export type Verify<I extends Item> = (bytes: Uint8Array, from: Source) => Result<I, DoorReason>;

/** The relays of a network. */
export interface KnownRelays {
  /** Those with which there is a session over a direct path, the best first, with that path. */
  readonly home: readonly { readonly peer: PeerKey; readonly path: Path }[];
  /** Whether a session with another one is being begun. */
  readonly isTrying: boolean;
}

/** What is to be signed. `Facts` are the host's: what the node says of itself in that network. */
export interface SignOrder<Facts> {
  readonly network: NetworkId;
  readonly seq: number;
  readonly facts: Facts;
  /** At which this node can be met. */
  readonly relays: readonly NamedNode[];
}

/** Inputs of gossip's own. */
export type GossipOwnIn<Facts> =
  /** Keep the directory for others from now on: relays do. */
  | { readonly type: "serve" }
  /** This node is a member there, and says that of itself from now on. */
  | { readonly type: "network"; readonly network: NetworkId; readonly facts: Facts }
  | { readonly type: "network-left"; readonly network: NetworkId }
  /** The relays of a network, where that changed, and in answer to `relay-wanted`. */
  | ({ readonly type: "relays"; readonly network: NetworkId } & KnownRelays)
  /** Whose record is wanted: what is known, else asked of the relays. Ends in one `found`. */
  | {
    readonly type: "find";
    readonly token: number;
    readonly peer: PeerKey;
    readonly timeoutMs: number;
  }
  /** Ask the relays for all records. Ends in one `listed`. */
  | {
    readonly type: "list";
    readonly token: number;
    readonly network: NetworkId;
    readonly timeoutMs: number;
  }
  /** Wait until the relays that can be reached know our records. Ends in one `announced`. */
  | { readonly type: "announce"; readonly token: number; readonly timeoutMs: number };

/** Outputs of gossip's own. */
export type GossipOwnOut<I extends Item> =
  | {
    readonly type: "found";
    readonly token: number;
    readonly peer: PeerKey;
    readonly record: I | null;
  }
  | {
    readonly type: "listed";
    readonly token: number;
    readonly network: NetworkId;
    /** Whether records came that are not of this node's time: one of the clocks is wrong. */
    readonly otherTimes: boolean;
  }
  | { readonly type: "announced"; readonly token: number }
  /** A relay is needed now: those that wait to be tried again are. Expects `relays`. */
  | { readonly type: "relay-wanted"; readonly network: NetworkId }
  /** The records of nodes that say that they are relays, where something about them changed. */
  | {
    readonly type: "relay-records";
    readonly network: NetworkId;
    readonly relays: readonly I[];
  };

/** All inputs. */
export type GossipIn<Facts> = GossipOwnIn<Facts> | PartIn<GossipCalls, GossipCalls>;
/** All outputs. */
export type GossipOut<I extends Item> = GossipOwnOut<I> | PartOut<GossipCalls, GossipCalls>;
