/**
 * Our calls of others.
 *
 * ```text
 *   asking ── question acknowledged ──▶ waiting ── answer whole ──▶ done
 *     │ resend by the RTT · 2ⁿ               │ poke every 5 s
 *     └──────────── timeout · peer gone · busy · unknown ────────▶ done
 * ```
 *
 * An answer that comes is a proof that the question did. A poke never begins a call: a peer that has
 * forgotten it, for it was started anew, says so, and whether the call was executed stays open (`gone`).
 *
 * @module
 */
import {
  after,
  type Drops,
  type Instant,
  type PeerKey,
  type Random,
  type SessionKind,
  Timers,
  type Wakeup,
} from "../base/mod.ts";
import { Assembly, Delivery } from "./assembly.ts";
import { RPC_POKE_MS, RPC_TIMEOUT_MS_MAX } from "./constants.ts";
import {
  type Ack,
  CALL_ID_BYTES,
  encodeAck,
  encodePiece,
  encodeQuestion,
  fullMask,
  parseAnswer,
  type Piece,
} from "./layout.ts";
import type { ResendMs, RpcDropReason, RpcIn, RpcLimits, RpcOut, RpcResult } from "./types.ts";

/** Whom a message goes to or comes from. */
export interface Channel {
  readonly peer: PeerKey;
  readonly kind: SessionKind;
}

/** What both directions of calls share. */
export interface Shared {
  readonly limits: RpcLimits;
  readonly resendMs: ResendMs;
  readonly drops: Drops<RpcDropReason>;
}

/** The text by which a channel, or a call within it, is found in maps. */
export function channelName(channel: Channel, call = ""): string {
  return `${channel.kind}:${channel.peer}:${call}`;
}

interface Call extends Channel {
  readonly id: string;
  readonly token: number;
  readonly question: Delivery;
  readonly deadline: Instant;
  /** The answer, once a piece of it came. */
  answer: Assembly | undefined;
}

/** Calls that we make. */
export class Outbound {
  readonly #random: Random;
  readonly #limits: RpcLimits;
  readonly #drops: Drops<RpcDropReason>;
  readonly #calls = new Map<string, Call>();
  readonly #byToken = new Map<number, Call>();
  /** The calls to each peer, of one kind of session. */
  readonly #perChannel = new Map<string, Set<Call>>();
  readonly #timers = new Timers<string>();

  readonly #resendMs: ResendMs;

  constructor(random: Random, { limits, resendMs, drops }: Shared) {
    this.#random = random;
    this.#limits = limits;
    this.#resendMs = resendMs;
    this.#drops = drops;
  }

  get size(): number {
    return this.#calls.size;
  }

  wakeup(): Wakeup | undefined {
    return this.#timers.next();
  }

  /** Begins a call. @throws {TypeError | RangeError} On arguments that cannot be meant. */
  call(input: Extract<RpcIn, { type: "call" }>, now: Instant, out: RpcOut[]): void {
    const { peer, kind = "epoch", token, timeoutMs } = input;
    if (this.#byToken.has(token)) throw new TypeError(`Cannot call: token ${token} is in use`);
    if (!(timeoutMs >= 1 && timeoutMs <= RPC_TIMEOUT_MS_MAX)) {
      throw new RangeError(`Cannot call: timeout is ${timeoutMs} ms`);
    }
    const message = encodeQuestion(input.method, input.body);
    if (!this.#hasRoom({ peer, kind })) {
      return void out.push({ type: "done", token, result: { ok: false, reason: "busy" } });
    }
    const id = this.#random.bytes(CALL_ID_BYTES).toHex();
    const resendMs = this.#resendMs(peer, kind);
    const question = new Delivery({ call: id, isAnswer: false, message, resendMs });
    const deadline = after(now, timeoutMs);
    this.#keep({ peer, kind, id, token, question, deadline, answer: undefined });
    this.#due(channelName({ peer, kind }, id), now, out);
  }

  cancel(token: number): void {
    const call = this.#byToken.get(token);
    if (call !== undefined) this.#forget(call);
  }

  /** Ends every call to a peer. */
  gone(channel: Channel, out: RpcOut[]): void {
    for (const call of [...this.#perChannel.get(channelName(channel)) ?? []]) {
      this.#end(call, { ok: false, reason: "gone" }, out);
    }
  }

  /** Takes a piece of an answer; acknowledges it also when nobody waits for it any more. */
  takePiece(channel: Channel, piece: Piece, now: Instant, out: RpcOut[]): void {
    const name = channelName(channel, piece.call);
    const call = this.#calls.get(name);
    if (call === undefined) return acknowledge(channel, piece, fullMask(piece.count), out);
    call.question.acknowledge(fullMask(call.question.count));
    call.answer ??= new Assembly(piece.count);
    if (!call.answer.add(piece)) return this.#drops.count("bad-piece");
    acknowledge(channel, piece, call.answer.mask, out);
    if (call.answer.isComplete) this.#answered(call, call.answer.join(), out);
    else this.#arm(call, now);
  }

  /** Takes an acknowledgement of a question. */
  takeAck(channel: Channel, ack: Ack, now: Instant, out: RpcOut[]): void {
    const call = this.#calls.get(channelName(channel, ack.call));
    if (call === undefined) return; // of a call that has ended meanwhile
    if (ack.verdict === "received") {
      const wasDelivered = call.question.isDelivered;
      call.question.acknowledge(ack.mask);
      if (!wasDelivered) this.#arm(call, now);
      return;
    }
    const isAsking = !call.question.isDelivered;
    if (ack.verdict === "busy" && isAsking) this.#end(call, { ok: false, reason: "busy" }, out);
    if (ack.verdict === "unknown" && !isAsking) this.#end(call, { ok: false, reason: "gone" }, out);
  }

  wake(now: Instant, out: RpcOut[]): void {
    for (;;) {
      const name = this.#timers.takeDue(now);
      if (name === undefined) return;
      this.#due(name, now, out);
    }
  }

  #due(name: string, now: Instant, out: RpcOut[]): void {
    const call = this.#calls.get(name);
    if (call === undefined) return;
    if (now >= call.deadline) return this.#end(call, { ok: false, reason: "timeout" }, out);
    const { peer, kind, question } = call;
    const payloads = question.isDelivered ? [poke(call)] : question.send();
    for (const payload of payloads) out.push({ type: "send", peer, kind, payload });
    this.#arm(call, now);
  }

  #arm(call: Call, now: Instant): void {
    const { question, deadline } = call;
    const at = question.isDelivered ? after(now, RPC_POKE_MS) : question.resendAt(now);
    const why = question.isDelivered ? "call poke" : "call resend";
    this.#timers.set(channelName(call, call.id), Math.min(at, deadline) as Instant, why);
  }

  #answered(call: Call, message: Uint8Array, out: RpcOut[]): void {
    const answer = parseAnswer(message);
    if (!answer.ok) {
      this.#drops.count(answer.reason);
      return this.#end(call, { ok: false, reason: "gone" }, out);
    }
    const { isDone, body } = answer.value;
    const result: RpcResult = isDone ? { ok: true, body } : { ok: false, reason: "refused", body };
    this.#end(call, result, out);
  }

  #end(call: Call, result: RpcResult, out: RpcOut[]): void {
    this.#forget(call);
    out.push({ type: "done", token: call.token, result });
  }

  #hasRoom(channel: Channel): boolean {
    const here = this.#perChannel.get(channelName(channel))?.size ?? 0;
    return this.#calls.size < this.#limits.callsMax && here < this.#limits.callsPerPeerMax;
  }

  #keep(call: Call): void {
    const name = channelName(call);
    this.#calls.set(channelName(call, call.id), call);
    this.#byToken.set(call.token, call);
    this.#perChannel.set(name, (this.#perChannel.get(name) ?? new Set()).add(call));
  }

  #forget(call: Call): void {
    const name = channelName(call);
    const rest = this.#perChannel.get(name);
    rest?.delete(call);
    this.#calls.delete(channelName(call, call.id));
    this.#timers.clear(channelName(call, call.id));
    this.#byToken.delete(call.token);
    if (rest?.size === 0) this.#perChannel.delete(name);
  }
}

function poke(call: Call): Uint8Array {
  return encodePiece({
    call: call.id,
    isAnswer: false,
    isPoke: true,
    index: 0,
    count: call.question.count,
    data: new Uint8Array(),
  });
}

function acknowledge(channel: Channel, piece: Piece, mask: number, out: RpcOut[]): void {
  const payload = encodeAck({ call: piece.call, isAnswer: true, verdict: "received", mask });
  out.push({ type: "send", peer: channel.peer, kind: channel.kind, payload });
}
