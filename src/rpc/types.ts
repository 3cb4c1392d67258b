/**
 * What goes into the RPC machine and what comes out of it.
 *
 * @module
 */
import type { PeerKey, Random, SessionKind } from "../base/mod.ts";

/** Inputs of the RPC machine. Byte strings are copied where they are kept. */
export type RpcIn =
  /** Ask a peer; `done` with the same token follows exactly once, unless it is cancelled. */
  | {
    readonly type: "call";
    readonly peer: PeerKey;
    /** Default: `epoch`. */
    readonly kind?: SessionKind;
    /** `[a-z][a-z0-9.-]{0,31}`. */
    readonly method: string;
    /** At most `RPC_BODY_BYTES_MAX`. */
    readonly body: Uint8Array;
    /** 1 ms to `RPC_TIMEOUT_MS_MAX`. */
    readonly timeoutMs: number;
    /** The caller's own name for the call; unique among those under way. */
    readonly token: number;
  }
  /** A payload whose first byte is `RPC_PIECE` or `RPC_ACK` came in the peer's session. */
  | {
    readonly type: "message";
    readonly peer: PeerKey;
    readonly kind?: SessionKind;
    readonly bytes: Uint8Array;
  }
  /** Answers a `request`; an answer to none that is running is ignored. */
  | {
    readonly type: "answer";
    readonly peer: PeerKey;
    readonly kind?: SessionKind;
    /** The call's id as it stood in `request`. */
    readonly call: string;
    readonly ok: boolean;
    /** At most `RPC_BODY_BYTES_MAX`. */
    readonly body: Uint8Array;
  }
  /** The peer has no session any more: our calls to it end; what ran for it is remembered. */
  | { readonly type: "peer-gone"; readonly peer: PeerKey; readonly kind?: SessionKind }
  /** Forget a call of ours; no `done` follows. */
  | { readonly type: "cancel"; readonly token: number }
  | { readonly type: "wake" };

/** Outputs of the RPC machine. Byte strings belong to the receiver. */
export type RpcOut =
  /** Send in the peer's session, on whatever path is best now. */
  | {
    readonly type: "send";
    readonly peer: PeerKey;
    readonly kind: SessionKind;
    readonly payload: Uint8Array;
  }
  /** A peer asks; comes once per call, however often its pieces come. Expects an `answer`. */
  | {
    readonly type: "request";
    readonly peer: PeerKey;
    readonly kind: SessionKind;
    /** 32 hex digits. */
    readonly call: string;
    readonly method: string;
    readonly body: Uint8Array;
  }
  | { readonly type: "done"; readonly token: number; readonly result: RpcResult };

/** How a call of ours ended. */
export type RpcResult =
  | { readonly ok: true; readonly body: Uint8Array }
  /** The peer answered no; `body` says why, in the method's own words. */
  | { readonly ok: false; readonly reason: "refused"; readonly body: Uint8Array }
  /**
   * `timeout`: no answer in time. `gone`: the session ended, or the peer no longer knows the call.
   * `busy`: too many calls are under way, here or there; it was not executed.
   */
  | { readonly ok: false; readonly reason: "timeout" | "gone" | "busy" };

/** With what an RPC machine is made. */
export interface RpcOptions {
  /** For call ids. */
  readonly random: Random;
  readonly limits?: Partial<RpcLimits>;
  /** The first wait for an acknowledgement by a peer. Default: `RPC_RESEND_MS`. */
  readonly resendMs?: ResendMs;
}

/** How long an acknowledgement of a peer may take, by the round trip of the path to it. */
export type ResendMs = (peer: PeerKey, kind: SessionKind) => number;

/** Bounds of an RPC machine; `DEFAULT_RPC_LIMITS` says where each comes from. */
export interface RpcLimits {
  /** Our calls under way, in all and per peer; more end as `busy`. */
  readonly callsMax: number;
  readonly callsPerPeerMax: number;
  /** Calls of others that arrive, run or wait to be acknowledged, per peer; more are `busy`. */
  readonly inboundPerPeerMax: number;
  /**
   * Calls of others that are remembered in any state, per peer and in all; more are `busy`. Of what is
   * common, here and below, the second half is for peers that have taken little.
   */
  readonly rememberedPerPeerMax: number;
  readonly inboundMax: number;
  /** Bytes of others' unfinished questions and of unacknowledged answers; beyond, all are `busy`. */
  readonly inboundBytesMax: number;
}

/** Why a message was dropped; counted in `stats()`. */
export type RpcDropReason =
  | "not-rpc"
  | "bad-piece"
  | "bad-ack"
  | "bad-question"
  | "bad-answer"
  | "busy"
  | "unknown-call"
  /** An answer was asked for again sooner than it is repeated. */
  | "early-poke";

/** Counters of an RPC machine. */
export interface RpcStats {
  /** Our calls under way. */
  readonly calls: number;
  /** Calls of others that are remembered in any state. */
  readonly inbound: number;
  readonly inboundBytes: number;
  readonly dropped: Readonly<Partial<Record<RpcDropReason, number>>>;
}
