/**
 * What goes into the node machine and what comes out of it.
 *
 * @module
 */
import type {
  NamedNode,
  NetworkId,
  NodeId,
  Path,
  PeerKey,
  Random,
  SessionKind,
} from "../base/mod.ts";
import type { Demand, LocalAddresses, Namer } from "../path/mod.ts";
import type { CloseReason, SessionIn, SessionKey, SessionOptions } from "../session/mod.ts";
import type { RpcResult } from "../rpc/mod.ts";
import type { ConnectFailure } from "./connects.ts";
import type { PartSaid } from "./parts.ts";
import type { FindIn, FindSaid } from "./find_parts.ts";
import type { RecordFacts } from "./record_door.ts";
import type { RelayIn, RelaySaid } from "./relay_parts.ts";
import type { CallName } from "./protocol/mod.ts";

/** Inputs of the node machine. `token` names a request of the host's; it comes back with the end. */
export type NodeIn =
  | { readonly type: "datagram"; readonly path: Path; readonly bytes: Uint8Array }
  /** Begin a session over `path`; ends in `connected` or `connect-failed`. */
  | {
    readonly type: "connect";
    readonly token: number;
    /** `null`: whoever answers there. */
    readonly peer: NodeId | null;
    readonly path: Path;
    /** Who named the path's address: what it may get until it answers hangs on that. */
    readonly named: Namer;
    readonly key: SessionKey;
    /** What we show: our certificate; empty for a joiner. */
    readonly payload: Uint8Array;
  }
  | { readonly type: "disconnect"; readonly peer: PeerKey; readonly kind: SessionKind }
  /** Ask a peer with which there is a session; ends in `called`. */
  | {
    readonly type: "call";
    readonly token: number;
    readonly peer: PeerKey;
    readonly kind: SessionKind;
    readonly name: CallName;
    readonly body: Uint8Array;
    readonly timeoutMs: number;
  }
  | { readonly type: "cancel"; readonly token: number }
  /** Answer a `request`. */
  | {
    readonly type: "answer";
    readonly peer: PeerKey;
    readonly kind: SessionKind;
    readonly call: string;
    readonly ok: boolean;
    readonly body: Uint8Array;
  }
  | { readonly type: "add-path"; readonly peer: PeerKey; readonly path: Path }
  /** A use of a name of its own, such as `VM abcd…`, needs the peer's paths that much. */
  | {
    readonly type: "use";
    readonly peer: PeerKey;
    readonly use: string;
    readonly demand: Demand;
  }
  | { readonly type: "drop"; readonly peer: PeerKey; readonly use: string }
  | { readonly type: "path-doubt"; readonly peer: PeerKey; readonly path: Path }
  | { readonly type: "path-dead"; readonly peer: PeerKey; readonly path: Path }
  | {
    readonly type: "local";
    readonly local: LocalAddresses;
    readonly advertised: readonly string[];
  }
  | Extract<SessionIn, { type: "keys" }>
  /** We are a member of a network, show ourselves otherwise there, or enter it elsewhere. */
  | {
    readonly type: "network";
    readonly network: NetworkId;
    readonly key: SessionKey;
    /** Our certificate, as it is shown. */
    readonly payload: Uint8Array;
    /** Where it is entered, as persons said: relays mostly. */
    readonly entries: readonly NamedNode[];
    /** What we say of ourselves in our record there. */
    readonly facts: RecordFacts;
  }
  | RelayIn
  | FindIn
  | { readonly type: "network-gone"; readonly network: NetworkId }
  /** What `resolve` asked for: canonical addresses of each name, in the order of the names. */
  | {
    readonly type: "resolved";
    readonly token: number;
    readonly addresses: readonly (readonly string[])[];
  }
  | { readonly type: "wake" };

/** Outputs of the node machine; `Member` is what `verifyPeer` makes of a peer's certificate. */
export type NodeOut<Member> =
  | {
    readonly type: "transmit";
    readonly path: Path;
    readonly bytes: Uint8Array;
    readonly ttl: number;
  }
  /** Something authentic of the peer that proved to be there came on the path: it lives. */
  | { readonly type: "heard"; readonly path: Path }
  /** Control frames that name a receiver are ours where it was added and not removed since. */
  | {
    readonly type: "receivers";
    readonly add: readonly number[];
    readonly remove: readonly number[];
  }
  | { readonly type: "connected"; readonly token: number; readonly peer: PeerKey }
  | {
    readonly type: "connect-failed";
    readonly token: number;
    readonly reason: ConnectFailure;
    readonly detail: string | null;
  }
  /** A session with the peer is up; `renewed` where it replaces a living one. */
  | {
    readonly type: "peer-up";
    readonly peer: PeerKey;
    readonly kind: SessionKind;
    readonly member: Member;
    readonly path: Path;
    readonly initiator: boolean;
    readonly renewed: boolean;
  }
  | {
    readonly type: "peer-down";
    readonly peer: PeerKey;
    readonly kind: SessionKind;
    readonly reason: CloseReason | "lost";
    /** The reason that the peer gave, where it left. */
    readonly detail: string | null;
  }
  /** A peer asks; the host answers with `answer`. */
  | {
    readonly type: "request";
    readonly peer: PeerKey;
    readonly kind: SessionKind;
    readonly call: string;
    readonly name: string;
    readonly body: Uint8Array;
  }
  | { readonly type: "called"; readonly token: number; readonly result: RpcResult }
  | {
    readonly type: "routes";
    readonly peer: PeerKey;
    readonly active: Path | null;
    readonly standby: Path | null;
    readonly accept: readonly Path[];
    /** How long an answer on the active path may take. */
    readonly patienceMs: number;
  }
  | {
    readonly type: "moved";
    readonly peer: PeerKey;
    readonly from: Path | null;
    readonly to: Path | null;
  }
  /** `keep`, `tell` and `resolve` of parts. */
  | PartSaid
  /** What this node forwards as a relay. */
  | RelaySaid
  /** How what was wanted ended. */
  | FindSaid
  /** The addresses at which peers see us changed. */
  | { readonly type: "endpoints"; readonly addresses: readonly string[] };

/** What the node must know of a member. */
export interface Granted {
  /** What its certificate grants, such as `relay`. */
  readonly grants: readonly string[];
}

/** With what a node machine is made. */
export interface NodeOptions<Member extends Granted> extends SessionOptions<Member> {
  readonly random: Random;
  /** False: a peer that was reached through a relay stays there. Default: true. */
  readonly direct?: boolean;
  /** The highest number of a record of ours that was kept. Default: none was. */
  readonly lastRecordSeq?: number;
  /** Unix milliseconds. */
  wallMs(): number;
}
