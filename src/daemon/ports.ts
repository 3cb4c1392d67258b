/**
 * What a use case may ask of the running node: narrow ports, each a few verbs. A room takes those that it
 * needs, never the node whole; only `run/` knows what stands behind them.
 *
 * @module
 */
import type { Instant, NetworkId, NodeId, PeerKey, SessionKind } from "../base/mod.ts";
import type { Grant, Member, NodeRecord, Role } from "../membership/mod.ts";
import type { Answer, CallName, NodeIn, Question } from "../node/mod.ts";
import type { Demand } from "../path/mod.ts";

/** Who asks, when a peer calls us. */
export interface Caller {
  readonly peer: PeerKey;
  readonly kind: SessionKind;
  /** The prefix at which it is proven to be, where that is known. */
  readonly source?: string;
}

/** Answers one kind of call. May throw an OmertaError: the peer gets its code and sentence. */
export type CallHandler<N extends CallName> = (
  caller: Caller,
  question: Question<N>,
) => Promise<Answer<N>> | Answer<N>;

/** Options of one call. */
export interface CallOptions {
  /** Milliseconds, reaching the peer included. Default: 10 000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** In which session. Default: the member's. */
  readonly kind?: SessionKind;
}

/** Questions to peers, and answers for them. */
export interface Calls {
  /** Answers one kind of call from now on. */
  serve<N extends CallName>(name: N, handler: CallHandler<N>): void;
  /**
   * Asks a peer with which there is a session.
   *
   * @throws {OmertaError} The peer's refusal with its code, `unreachable` or `timeout`.
   */
  call<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
    options?: CallOptions,
  ): Promise<Answer<N>>;
  /**
   * Makes sure that there is a session with the peer.
   *
   * @throws {OmertaError} `unreachable`, `no-relay`, `not-member`, `timeout`.
   */
  reach(peer: PeerKey, options?: CallOptions): Promise<PeerKey>;
  /**
   * A session with whoever listens at an address, named by a person.
   *
   * @throws {OmertaError} `unreachable`, `not-member`, `no-network`.
   */
  meet(network: NetworkId, at: NodeAt, options?: CallOptions): Promise<PeerKey>;
  /**
   * Reaches a peer and asks it. Where it turns out that it began anew, it is asked once more: for calls
   * that may be done twice.
   */
  ask<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
    options?: CallOptions,
  ): Promise<Answer<N>>;
}

/** What members say of themselves, as far as it is known here. */
export interface Records {
  /**
   * Asks the relays of a network for all records; given up, it leaves what came until then.
   *
   * @returns Whether some came that are not of this node's time: one of the clocks is wrong.
   */
  refresh(
    network: NetworkId,
    options?: Pick<CallOptions, "timeoutMs" | "signal">,
  ): Promise<boolean>;
  /** The current record of a peer. */
  of(peer: PeerKey): NodeRecord | undefined;
  /** All current records of a network, our own among them; of one role, where that is given. */
  list(network: NetworkId, role?: Role): NodeRecord[];
  /** Whether there are relays to be reached, and none is. */
  isCutOff(network: NetworkId): boolean;
}

/** Where somebody may be met, as a person says. */
export interface NodeAt {
  /** `null`: whoever answers there. */
  readonly id: string | null;
  /** `HOST:PORT` or `[V6]:PORT`. */
  readonly address: string;
}

/** Sessions at addresses that somebody named: for who joins. */
export interface Sessions {
  /**
   * Begins a session over a path; resolves with the peer that answered.
   *
   * @throws {OmertaError} `unreachable`, or `not-member` where the peer has no valid certificate.
   */
  connect(connect: Connect, options?: CallOptions): Promise<PeerKey>;
  /** Ends a session, and tells the peer. */
  disconnect(peer: PeerKey, kind: SessionKind): void;
}

/** A session that is to be begun. */
export type Connect = Omit<Extract<NodeIn, { readonly type: "connect" }>, "type" | "token">;

/** How much the paths to peers matter. Each use has a name of its own, such as `VM abcd…`. */
export interface Holds {
  claim(peer: PeerKey, use: string, demand: Demand): void;
  drop(peer: PeerKey, use: string): void;
}

/** What happens to peers. */
export type PeerEvent =
  | { readonly type: "peer-up"; readonly peer: PeerKey; readonly renewed: boolean }
  | { readonly type: "peer-down"; readonly peer: PeerKey; readonly reason: string };

/** What is known of peers now. */
export interface Views {
  /** Calls `listener` at every event. Returns what ends that. */
  listen(listener: (event: PeerEvent) => void): () => void;
  /** Whether there is a member's session with the peer. */
  isConnected(peer: PeerKey): boolean;
  /** Members with a session. */
  connected(): PeerKey[];
  /** The peer as a member, while there is a session. */
  member(peer: PeerKey): Member | undefined;
  /** Whether the peer's certificate grants that. */
  holds(peer: PeerKey, grant: Grant): boolean;
  /** The round trip of the path in use, in milliseconds; `null` where none is known. */
  rttMs(peer: PeerKey): number | null;
  /** What a peer calls itself, for sentences: `alias (id)` or a short id. */
  nameOf(peer: PeerKey): string;
  /** Our own id. */
  readonly self: NodeId;
}

/** Both clocks. */
export interface Clock {
  /** Monotonic. */
  now(): Instant;
  /** Milliseconds since 1970, UTC. */
  wallMs(): number;
}

/** Timers, which only the host has. */
export interface Timers {
  /** Calls `act` once, in `ms` milliseconds; the returned function voids that. */
  after(ms: number, act: () => void): () => void;
  /** A signal that is aborted after so long, as `AbortSignal.timeout` does. */
  signal(ms: number): AbortSignal;
}

/** Tasks that nobody waits for. */
export interface Tasks {
  /** Its failure is logged, an unexpected one as a defect. */
  background(what: string, task: () => Promise<unknown>): void;
}
