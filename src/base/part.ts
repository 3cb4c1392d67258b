/**
 * A part: a machine that lives inside the node's. Besides inputs and outputs of its own it hears of the
 * peers, asks them and answers them, has facts kept and tells what happened. It never sees a session, a
 * byte of a call or another part: the node routes.
 *
 * ```text
 *   peer-up, peer-moved, peer-down ─▶ ┌──────┐ ─▶ ask ─────▶ a call to the peer, and `answered` comes back
 *   asked (a peer's call) ──────────▶ │ part │ ─▶ reply ───▶ its answer, or its refusal
 *   answered, wake ─────────────────▶ └──────┘ ─▶ keep, tell, and what is the part's own
 * ```
 *
 * A part names the calls that it serves and makes by a table of its own, `CallShapes`, so that cores need
 * not know the protocol: `node/protocol` holds their bytes, and the compiler that both agree.
 *
 * @module
 */
import type { NetworkId, NodeId, Path, PeerKey } from "./ids.ts";
import type { Machine } from "./machine.ts";

/** A call's question and answer, as values that the protocol can write. */
export interface CallShape {
  readonly question: object;
  readonly answer: object;
}

/** Calls by name. */
export type CallShapes = Readonly<Record<string, CallShape>>;

/** Why a peer, or a part, says no. Codes are those that a peer may use: `PEER_CODES` of the protocol. */
export interface Refused {
  readonly code: string;
  readonly message: string;
  /** It may be granted later: ask no sooner. Absent: asking again is vain. */
  readonly retryMs?: number;
}

/** What becomes of the peers with which there is a member's session. */
export type PeerChange =
  /** A session began; `renewed` where it replaces a living one. */
  | {
    readonly type: "peer-up";
    readonly peer: PeerKey;
    /** What its certificate grants, such as `relay`. */
    readonly grants: readonly string[];
    readonly renewed: boolean;
  }
  /** The path on which we send to it is another one; `null`: none is proven. */
  | { readonly type: "peer-moved"; readonly peer: PeerKey; readonly path: Path | null }
  /** `left`: it said so; `closed`: we ended it; `lost`: nothing is heard of it. */
  | {
    readonly type: "peer-down";
    readonly peer: PeerKey;
    readonly reason: string;
  };

type Each<Union> = Union[keyof Union];

/** Ask a peer with which there is a session; ends in exactly one `answered` with the same token. */
export type Ask<Calls extends CallShapes> = Each<
  {
    [Name in keyof Calls]: {
      readonly type: "ask";
      /** The part's own, unique among those under way. */
      readonly token: number;
      readonly peer: PeerKey;
      readonly name: Name;
      readonly question: Calls[Name]["question"];
      readonly timeoutMs: number;
    };
  }
>;

/**
 * How a question ended. `failed`: nobody answered in time (`timeout`), there is no session or it ended
 * (`gone`), too many calls are under way (`busy`), or what was said cannot be read (`malformed`).
 */
export type Answered<Calls extends CallShapes> = Each<
  {
    [Name in keyof Calls]: {
      readonly type: "answered";
      readonly token: number;
      readonly peer: PeerKey;
      readonly name: Name;
      readonly result:
        | { readonly ok: true; readonly answer: Calls[Name]["answer"] }
        | { readonly ok: false; readonly refused: Refused }
        | { readonly ok: false; readonly failed: "timeout" | "gone" | "busy" | "malformed" };
    };
  }
>;

/** A member asks; expects one `reply`. */
export type Asked<Calls extends CallShapes> = Each<
  {
    [Name in keyof Calls]: {
      readonly type: "asked";
      /** Names the call in `reply`; unique over all peers. */
      readonly call: number;
      readonly from: PeerKey;
      readonly name: Name;
      readonly question: Calls[Name]["question"];
    };
  }
>;

/** The answer to `asked`. */
export type Reply<Calls extends CallShapes> =
  | Each<
    {
      [Name in keyof Calls]: {
        readonly type: "reply";
        readonly call: number;
        readonly name: Name;
        readonly ok: true;
        readonly answer: Calls[Name]["answer"];
      };
    }
  >
  | {
    readonly type: "reply";
    readonly call: number;
    readonly ok: false;
    readonly refused: Refused;
  };

/** A fact that must be on the disk before any later output is done. */
export interface Keep {
  readonly type: "keep";
  /** Such as `record-seq`; the part's own. */
  readonly key: string;
  /** Plain data. */
  readonly value: unknown;
}

/** What happened, for people: logs, events, `why`. */
export interface Tell {
  readonly type: "tell";
  readonly level: "debug" | "info" | "warn" | "error";
  readonly what: string;
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

/** Get a member's session with a node; ends in exactly one `dialed` or `dial-failed`, unless `undial` came first. */
export type Dial =
  | {
    readonly type: "dial";
    /** The part's own, unique among those under way. */
    readonly token: number;
    readonly network: NetworkId;
    /** `null`: whoever answers there. */
    readonly node: NodeId | null;
    /** `IP:PORT`, a path through a relay, or `HOST:PORT`; the first that answers counts. */
    readonly addresses: readonly string[];
    /** Who named them: what they may get until they answer hangs on that. */
    readonly named: "person" | "record";
  }
  | { readonly type: "undial"; readonly token: number };

/** How a `dial` ended. */
export type Dialed =
  | { readonly type: "dialed"; readonly token: number; readonly peer: PeerKey }
  | {
    readonly type: "dial-failed";
    readonly token: number;
    /**
     * Of the session's reasons; `unwanted`: nothing may be sent there, or not now; `unresolved`: no name
     * of an address is known; `no-network`: we are no member there; `busy`: too many are dialed.
     */
    readonly reason: string;
    readonly detail: string | null;
  };

/** What goes into every part besides its own inputs. */
export type PartIn<Made extends CallShapes, Served extends CallShapes> =
  | PeerChange
  | Asked<Served>
  | Answered<Made>
  | Dialed
  | { readonly type: "wake" };

/** What comes out of every part besides its own outputs. */
export type PartOut<Made extends CallShapes, Served extends CallShapes> =
  | Ask<Made>
  | Reply<Served>
  | Dial
  | Keep
  | Tell;

/**
 * A machine inside the node's. `In` and `Out` are its own; `Made` and `Served` the calls that it makes
 * and answers.
 */
export interface Part<
  In,
  Out,
  Made extends CallShapes = Record<never, never>,
  Served extends CallShapes = Record<never, never>,
> extends Machine<In | PartIn<Made, Served>, Out | PartOut<Made, Served>> {}
