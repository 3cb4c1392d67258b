/**
 * What goes into the session machine and what comes out of it.
 *
 * @module
 */
import type { NetworkId, NodeId, Path, PeerKey, Random, Result, SessionKind } from "../base/mod.ts";
import type { GateKey, Identity, KeyPair } from "../crypto/mod.ts";

/** A gate that we pass as initiator or keep as responder. */
export interface SessionKey extends GateKey {
  readonly network: NetworkId;
  readonly kind: SessionKind;
}

/** A key whose handshakes we answer, with what we show of ourselves in them. */
export interface AcceptedKey extends SessionKey {
  /** The opaque payload of membership (a certificate), at most `PAYLOAD_SHOWN_BYTES_MAX`. */
  readonly payload: Uint8Array;
}

/** A key whose handshakes we answer with a reason and nothing else: of an invite that is over. */
export interface RefusedKey extends GateKey {
  /** `[a-z-]{1,32}`; told to whoever comes by it. */
  readonly reason: string;
}

/** Who a peer claims to be; its key was proven, its membership was not. */
export interface PeerClaim {
  readonly network: NetworkId;
  readonly kind: SessionKind;
  readonly node: NodeId;
  /** Whether we began the handshake: then the peer is the one whom we asked for. */
  readonly initiator: boolean;
  /** What the peer showed; a copy. */
  readonly payload: Uint8Array;
}

/** Judges a claim, synchronously; the reason (`[a-z-]{1,32}`) is told to the peer. */
export type VerifyPeer<Member> = (claim: PeerClaim) => Result<Member>;

/** With what a session machine is made. */
export interface SessionOptions<Member> {
  readonly identity: Identity;
  /** Our X25519 key pair, which the identity signs in every handshake. */
  readonly staticKey: KeyPair;
  readonly random: Random;
  readonly verifyPeer: VerifyPeer<Member>;
  readonly limits?: Partial<SessionLimits>;
}

/** Bounds of a session machine; `DEFAULT_LIMITS` says where each comes from. */
export interface SessionLimits extends HandshakeLimits {
  /** Members with a session; when full, new handshakes are refused. */
  readonly peersMax: number;
  /** Sessions by invites; when full, the oldest gives way. */
  readonly joinersMax: number;
  /** Handshakes of ours under way; more `connect` fail with `busy`. */
  readonly attemptsMax: number;
  /** Answered first messages whose third has not come; the oldest gives way. */
  readonly pendingMax: number;
  /** Datagrams that one peer may have us work on, of one kind of session. */
  readonly datagramsPerS: number;
  readonly datagramsBurst: number;
}

/** How often handshakes are paid for. */
export interface HandshakeLimits {
  /** Handshake messages that may cost a Diffie-Hellman, per second and at once. */
  readonly handshakesPerS: number;
  readonly handshakesBurst: number;
  /** The same, per source prefix. */
  readonly perSourcePerS: number;
  readonly perSourceBurst: number;
  /** The same, for all that comes through the relays of one prefix, or says so. */
  readonly perRelayPerS: number;
  readonly perRelayBurst: number;
}

/** Inputs of the session machine. Byte strings are copied where they are kept. */
export type SessionIn =
  /** A control frame (`6f 6d 01 TYPE …`) came in on a path. */
  | { readonly type: "datagram"; readonly path: Path; readonly bytes: Uint8Array }
  /**
   * Begin a handshake, also where a session exists. While one with the same peer and kind is under
   * way, the path is added to it (at most `ATTEMPT_PATHS_MAX`): whichever answers first counts.
   *
   * Ends in exactly one of: `established` with that peer and kind, by either side's handshake, so also
   * with `initiator: false` where the peer was quicker; or `failed`.
   */
  | {
    readonly type: "connect";
    /** Whom we expect; `null` where only the gate key says who may answer. */
    readonly peer: NodeId | null;
    readonly path: Path;
    readonly key: SessionKey;
    /** What we show; at most `PAYLOAD_SHOWN_BYTES_MAX`. Empty for a joiner. */
    readonly payload: Uint8Array;
  }
  /** Replaces the keys that we answer, and those whose holders we only tell why not. */
  | {
    readonly type: "keys";
    readonly keys: readonly AcceptedKey[];
    /** Default: none. */
    readonly refused?: readonly RefusedKey[];
  }
  /** Send a payload in the peer's session; without a session it is counted and dropped. */
  | {
    readonly type: "send";
    readonly peer: PeerKey;
    /** Default: `epoch`. */
    readonly kind?: SessionKind;
    readonly path: Path;
    /** 1 to 1200 bytes. */
    readonly payload: Uint8Array;
    /** Time to live of the datagram; 0 or absent: the system's. */
    readonly ttl?: number;
  }
  /** The peer is proven to be reached on `path`: the session is renewed there. */
  | { readonly type: "moved"; readonly peer: PeerKey; readonly path: Path }
  /** End sessions with a peer (of one kind, or all) and tell it, and give up handshakes with it. */
  | {
    readonly type: "close";
    readonly peer: PeerKey;
    readonly kind?: SessionKind;
    /** `[a-z-]{1,32}`; told to the peer. Default: `left`. */
    readonly reason?: string;
  }
  | { readonly type: "wake" };

/** Outputs of the session machine. Byte strings belong to the receiver. */
export type SessionOut<Member> =
  | {
    readonly type: "transmit";
    readonly path: Path;
    readonly bytes: Uint8Array;
    readonly ttl?: number;
    /** A message of our own handshake, to where nobody has proved to be. */
    readonly opens?: "hello" | "finish";
  }
  /** A session can be used from now on. */
  | {
    readonly type: "established";
    readonly peer: PeerKey;
    readonly node: NodeId;
    readonly network: NetworkId;
    readonly kind: SessionKind;
    /** Whether the handshake was ours. */
    readonly initiator: boolean;
    readonly path: Path;
    /**
     * Whether the peer is known to be at `path`, for it answered what was sent there alone. Else the
     * path is but where it says that it is: send nothing there that is larger than what came.
     */
    readonly proven: boolean;
    /** What the peer showed. */
    readonly payload: Uint8Array;
    /** What `verifyPeer` made of it. */
    readonly member: Member;
    /** Whether it replaces a living session: a rekey, or a peer that began anew. */
    readonly renewed: boolean;
  }
  /** An authenticated, fresh payload of at least one byte, and the path that it took. */
  | {
    readonly type: "received";
    readonly peer: PeerKey;
    readonly kind: SessionKind;
    readonly path: Path;
    readonly payload: Uint8Array;
  }
  /** A handshake of ours came to nothing. A living session with the peer stays. */
  | {
    readonly type: "failed";
    readonly network: NetworkId;
    readonly kind: SessionKind;
    /** Whom we expected. */
    readonly peer: NodeId | null;
    /** The first on which it was tried; `null` where none was left. */
    readonly path: Path | null;
    readonly reason: FailReason;
    /** The id that answered (`wrong-peer`), or the reason that was given (`refused`, `unverified`). */
    readonly detail?: string;
  }
  /** The last session of this kind with the peer is over. */
  | {
    readonly type: "closed";
    readonly peer: PeerKey;
    readonly kind: SessionKind;
    readonly reason: CloseReason;
    /** The reason that the peer gave (`left`). */
    readonly detail?: string;
  };

/**
 * Why a handshake of ours failed: nobody answered; another node than the expected one did; it showed
 * a bad key or signature; our `verifyPeer` said no; the peer's did; a bound was reached; we closed.
 */
export type FailReason =
  | "timeout"
  | "wrong-peer"
  | "bad-identity"
  | "unverified"
  | "refused"
  | "busy"
  | "closed";

/** Why a session ended: we closed it, the peer did, or it grew too old without being renewed. */
export type CloseReason = "closed" | "left" | "expired";

/** Why input was dropped; counted in `stats()`. */
export type DropReason =
  | "not-control"
  | "unknown-type"
  | "bad-length"
  | "unknown-key"
  | "refused-key"
  | "bad-mac"
  | "replayed-hello"
  | "answered-elsewhere"
  | "source-limit"
  | "global-limit"
  | "peers-full"
  | "unknown-session"
  | "wrong-path"
  | "bad-handshake"
  | "bad-identity"
  | "unverified"
  | "own-id"
  | "duplicate-finish"
  | "bad-tag"
  | "replayed"
  | "expired"
  | "no-session"
  | "bad-farewell"
  /** The peer sends more than is looked at. */
  | "too-many";

/** A session as shown to people. */
export interface SessionView {
  readonly peer: PeerKey;
  readonly network: NetworkId;
  readonly node: NodeId;
  readonly kind: SessionKind;
  readonly initiator: boolean;
  /** The path on which the newest datagram came. */
  readonly path: Path;
  readonly ageMs: number;
  /** Milliseconds since anything authenticated came. */
  readonly heardMsAgo: number;
  readonly sentDatagrams: number;
  readonly receivedDatagrams: number;
}

/** Counters of a session machine. */
export interface SessionStats {
  readonly sessions: number;
  /** Handshakes of ours under way. */
  readonly attempts: number;
  /** Handshakes of others under way. */
  readonly pending: number;
  readonly established: number;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
}
