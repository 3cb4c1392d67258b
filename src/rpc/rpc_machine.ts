/**
 * Calls over sessions: a question and an answer of up to 16 KiB each, in pieces that are repeated until
 * they are acknowledged. A call is executed at most once; its caller always learns an end.
 *
 * Nothing here knows paths, keys or time; replays were already refused by the session. Not here:
 * pacing and bulk data, which goes by TCP in a tunnel.
 *
 * @module
 */
import {
  Drops,
  earlier,
  type Instant,
  type Machine,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import { DEFAULT_RPC_LIMITS, RPC_RESEND_MS } from "./constants.ts";
import { MESSAGE } from "../wire/mod.ts";
import { Inbound } from "./inbound.ts";
import { parseAck, parsePiece } from "./layout.ts";
import { type Channel, Outbound } from "./outbound.ts";
import type { RpcDropReason, RpcIn, RpcOptions, RpcOut, RpcStats } from "./types.ts";

/** The calls of one node, both ways. */
export class RpcMachine implements Machine<RpcIn, RpcOut> {
  readonly #drops = new Drops<RpcDropReason>();
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;

  constructor(options: RpcOptions) {
    const limits = { ...DEFAULT_RPC_LIMITS, ...options.limits };
    const resendMs = options.resendMs ?? (() => RPC_RESEND_MS);
    const shared = { limits, resendMs, drops: this.#drops };
    this.#outbound = new Outbound(options.random, shared);
    this.#inbound = new Inbound(shared);
  }

  /**
   * Takes one input.
   *
   * @throws {TypeError | RangeError} On a caller's mistake only: a bad method or timeout, a token in
   * use, too long a body. Never on what a peer sends.
   */
  handle(input: RpcIn, now: Instant, out: RpcOut[]): void {
    switch (input.type) {
      case "call":
        return this.#outbound.call(input, now, out);
      case "message":
        return this.#message(channelOf(input), input.bytes, now, out);
      case "answer":
        return this.#inbound.answer(input, now, out);
      case "peer-gone":
        return this.#gone(input, out);
      case "cancel":
        return this.#outbound.cancel(input.token);
      case "wake":
        this.#outbound.wake(now, out);
        return this.#inbound.wake(now, out);
      default:
        unreachable(input);
    }
  }

  wakeup(): Wakeup | undefined {
    return earlier(this.#outbound.wakeup(), this.#inbound.wakeup());
  }

  stats(): RpcStats {
    return {
      calls: this.#outbound.size,
      inbound: this.#inbound.size,
      inboundBytes: this.#inbound.bytes,
      dropped: this.#drops.read(),
    };
  }

  #message(channel: Channel, bytes: Uint8Array, now: Instant, out: RpcOut[]): void {
    switch (bytes[0]) {
      case MESSAGE.rpcPiece:
        return this.#piece(channel, bytes, now, out);
      case MESSAGE.rpcAck:
        return this.#ack(channel, bytes, now, out);
      default:
        this.#drops.count("not-rpc");
    }
  }

  #piece(channel: Channel, bytes: Uint8Array, now: Instant, out: RpcOut[]): void {
    const piece = parsePiece(bytes);
    if (!piece.ok) return this.#drops.count(piece.reason);
    const side = piece.value.isAnswer ? this.#outbound : this.#inbound;
    side.takePiece(channel, piece.value, now, out);
  }

  #ack(channel: Channel, bytes: Uint8Array, now: Instant, out: RpcOut[]): void {
    const ack = parseAck(bytes);
    if (!ack.ok) return this.#drops.count(ack.reason);
    if (ack.value.isAnswer) this.#inbound.takeAck(channel, ack.value, now);
    else this.#outbound.takeAck(channel, ack.value, now, out);
  }

  #gone(input: Extract<RpcIn, { type: "peer-gone" }>, out: RpcOut[]): void {
    for (const kind of input.kind === undefined ? ["epoch", "invite"] as const : [input.kind]) {
      this.#outbound.gone({ peer: input.peer, kind }, out);
      this.#inbound.gone({ peer: input.peer, kind });
    }
  }
}

function channelOf(input: { peer: Channel["peer"]; kind?: Channel["kind"] }): Channel {
  return { peer: input.peer, kind: input.kind ?? "epoch" };
}
