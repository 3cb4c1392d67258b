/**
 * Others' calls of us. Each is executed at most once, whatever is repeated or lost on the way.
 *
 * ```text
 *   arriving ── question whole ──▶ running ── answer ──▶ answered ── acknowledged ──▶ spent ──▶ gone
 *      │ 15 s without a piece         │ 10 min               │ 10 min                   60 s
 *      ▼                              ▼                      ▼
 *     gone                           gone                   gone
 * ```
 *
 * A call is refused (`busy`) before it is begun or not at all: what was begun is remembered as long as
 * its caller may ask for it. An answer that nobody acknowledges is sent nine times, then only on demand.
 *
 * @module
 */
import { after, type Drops, type Instant, Timers, unreachable, type Wakeup } from "../base/mod.ts";
import { Assembly, Delivery } from "./assembly.ts";
import {
  RPC_ANSWER_SENDINGS_MAX,
  RPC_ASSEMBLY_MS,
  RPC_REMEMBER_MS,
  RPC_TOMBSTONE_MS,
} from "./constants.ts";
import {
  type Ack,
  encodeAck,
  encodeAnswer,
  fullMask,
  parseQuestion,
  type Piece,
} from "./layout.ts";
import { type Channel, channelName, type Shared } from "./outbound.ts";
import type { ResendMs, RpcDropReason, RpcIn, RpcLimits, RpcOut } from "./types.ts";

type State =
  | { readonly type: "arriving"; readonly question: Assembly }
  | { readonly type: "running" }
  | {
    readonly type: "answered";
    readonly answer: Delivery;
    readonly endsAt: Instant;
    /** When the answer may be sent again, however often it is asked for. */
    repeatAt: Instant;
  }
  | { readonly type: "spent" };

type Answered = Extract<State, { type: "answered" }>;

interface Entry extends Channel {
  readonly id: string;
  /** Pieces of the question. */
  readonly count: number;
  state: State;
}

/** The calls of one peer that are remembered, how many of them are open, and the bytes held for them. */
interface Tally {
  readonly entries: Set<Entry>;
  open: number;
  bytes: number;
}
/** A peer that has taken less finds room where a few others have taken theirs. Guess: 4 calls/s. */
const MODEST_CALLS = 256;
const MODEST_BYTES = 65_536;

/** Calls that others make. */
export class Inbound {
  readonly #limits: RpcLimits;
  readonly #drops: Drops<RpcDropReason>;
  readonly #entries = new Map<string, Entry>();
  readonly #tallies = new Map<string, Tally>();
  readonly #timers = new Timers<string>();
  #bytes = 0;

  readonly #resendMs: ResendMs;

  constructor({ limits, resendMs, drops }: Shared) {
    this.#limits = limits;
    this.#resendMs = resendMs;
    this.#drops = drops;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  wakeup(): Wakeup | undefined {
    return this.#timers.next();
  }

  /** Takes a piece of a question, or a poke. */
  takePiece(channel: Channel, piece: Piece, now: Instant, out: RpcOut[]): void {
    const entry = this.#entries.get(channelName(channel, piece.call));
    if (entry === undefined) return this.#takeUnknown(channel, piece, now, out);
    if (entry.count !== piece.count) return this.#drops.count("bad-piece");
    switch (entry.state.type) {
      case "arriving":
        return piece.isPoke
          ? undefined
          : this.#arrive(entry, entry.state.question, piece, now, out);
      case "answered":
        if (piece.isPoke) return this.#poked(entry, entry.state, now, out);
        return acknowledge(entry, fullMask(entry.count), out);
      case "running":
      case "spent":
        return acknowledge(entry, fullMask(entry.count), out);
      default:
        unreachable(entry.state);
    }
  }

  /** Takes an acknowledgement of an answer. */
  takeAck(channel: Channel, ack: Ack, now: Instant): void {
    const entry = this.#entries.get(channelName(channel, ack.call));
    if (entry?.state.type !== "answered") return; // repeated, or of a call that is forgotten
    const { answer } = entry.state;
    answer.acknowledge(ack.mask);
    if (!answer.isDelivered) return;
    this.#enter(entry, { type: "spent" }, now);
  }

  /** Answers a running call. @throws {RangeError} When the body is too long. */
  answer(input: Extract<RpcIn, { type: "answer" }>, now: Instant, out: RpcOut[]): void {
    const { peer, kind = "epoch", call } = input;
    const message = encodeAnswer(input.ok, input.body);
    const entry = this.#entries.get(channelName({ peer, kind }, call));
    if (entry?.state.type !== "running") return this.#drops.count("unknown-call");
    const resendMs = this.#resendMs(peer, kind);
    const answer = new Delivery({ call, isAnswer: true, message, resendMs });
    const state: Answered = {
      type: "answered",
      answer,
      endsAt: after(now, RPC_REMEMBER_MS),
      repeatAt: now,
    };
    this.#enter(entry, state, now);
    this.#repeat(entry, state, now, out);
  }

  /** The peer has no session: unfinished questions go, the rest waits for it to come back. */
  gone(channel: Channel): void {
    for (const entry of [...this.#tallies.get(channelName(channel))?.entries ?? []]) {
      if (entry.state.type === "arriving") this.#forget(entry);
      if (entry.state.type === "answered") this.#setTimer(entry, entry.state.endsAt, "call end");
    }
  }

  wake(now: Instant, out: RpcOut[]): void {
    for (;;) {
      const name = this.#timers.takeDue(now);
      if (name === undefined) return;
      const entry = this.#entries.get(name);
      if (entry !== undefined) this.#due(entry, now, out);
    }
  }

  #due(entry: Entry, now: Instant, out: RpcOut[]): void {
    const { state } = entry;
    if (state.type !== "answered" || now >= state.endsAt) return this.#forget(entry);
    this.#repeat(entry, state, now, out);
  }

  #takeUnknown(channel: Channel, piece: Piece, now: Instant, out: RpcOut[]): void {
    const refusal = piece.isPoke ? "unknown" : this.#hasRoom(channel) ? undefined : "busy";
    if (refusal !== undefined) {
      this.#drops.count(refusal === "busy" ? "busy" : "unknown-call");
      return refuse(channel, piece.call, refusal, out);
    }
    const question = new Assembly(piece.count);
    const entry: Entry = {
      ...channel,
      id: piece.call,
      count: piece.count,
      state: { type: "arriving", question },
    };
    this.#keep(entry);
    this.#arrive(entry, question, piece, now, out);
  }

  #arrive(entry: Entry, question: Assembly, piece: Piece, now: Instant, out: RpcOut[]): void {
    const before = question.bytes;
    question.add(piece);
    this.#hold(entry, question.bytes - before);
    acknowledge(entry, question.mask, out);
    if (!question.isComplete) return this.#arm(entry, now);
    const whole = parseQuestion(question.join());
    if (!whole.ok) {
      this.#drops.count(whole.reason);
      return this.#forget(entry);
    }
    this.#enter(entry, { type: "running" }, now);
    const { peer, kind, id } = entry;
    out.push({ type: "request", peer, kind, call: id, ...whole.value });
  }

  /** A small question for a large answer: no sooner than we would repeat it by ourselves. */
  #poked(entry: Entry, state: Answered, now: Instant, out: RpcOut[]): void {
    if (now < state.repeatAt) return this.#drops.count("early-poke");
    this.#repeat(entry, state, now, out);
  }

  #repeat(entry: Entry, state: Answered, now: Instant, out: RpcOut[]): void {
    const { peer, kind } = entry;
    for (const payload of state.answer.send()) out.push({ type: "send", peer, kind, payload });
    state.repeatAt = state.answer.resendAt(now);
    this.#arm(entry, now);
  }

  /** Changes the state, with what is counted by it and its deadline. */
  #enter(entry: Entry, state: State, now: Instant): void {
    this.#hold(entry, bytesOf(state) - bytesOf(entry.state));
    if (state.type === "spent") this.#tally(entry).open--;
    entry.state = state;
    this.#arm(entry, now);
  }

  #arm(entry: Entry, now: Instant): void {
    const { state } = entry;
    switch (state.type) {
      case "arriving":
        return this.#setTimer(entry, after(now, RPC_ASSEMBLY_MS), "question end");
      case "running":
        return this.#setTimer(entry, after(now, RPC_REMEMBER_MS), "call end");
      case "spent":
        return this.#setTimer(entry, after(now, RPC_TOMBSTONE_MS), "call end");
      case "answered": {
        const isTired = state.answer.sendings >= RPC_ANSWER_SENDINGS_MAX;
        const at = isTired ? state.endsAt : Math.min(state.repeatAt, state.endsAt);
        return this.#setTimer(entry, at as Instant, "answer resend");
      }
      default:
        unreachable(state);
    }
  }

  #setTimer(entry: Entry, at: Instant, why: string): void {
    this.#timers.set(channelName(entry, entry.id), at, why);
  }

  /** The second half of what is common is kept for those who have taken little. */
  #hasRoom(channel: Channel): boolean {
    const { entries, open, bytes } = this.#tallies.get(channelName(channel)) ?? noTally();
    const remembered = entries.size;
    const isModest = remembered < MODEST_CALLS && bytes < MODEST_BYTES;
    const share = isModest ? 1 : 2;
    return open < this.#limits.inboundPerPeerMax &&
      remembered < this.#limits.rememberedPerPeerMax &&
      share * this.#entries.size < this.#limits.inboundMax &&
      share * this.#bytes < this.#limits.inboundBytesMax;
  }

  #hold(entry: Entry, bytes: number): void {
    this.#bytes += bytes;
    this.#tally(entry).bytes += bytes;
  }

  #keep(entry: Entry): void {
    this.#entries.set(channelName(entry, entry.id), entry);
    const tally = this.#tally(entry);
    tally.open++;
    tally.entries.add(entry);
  }

  #forget(entry: Entry): void {
    this.#hold(entry, -bytesOf(entry.state));
    this.#entries.delete(channelName(entry, entry.id));
    this.#timers.clear(channelName(entry, entry.id));
    const tally = this.#tally(entry);
    if (entry.state.type !== "spent") tally.open--;
    tally.entries.delete(entry);
    if (tally.entries.size === 0) this.#tallies.delete(channelName(entry));
  }

  #tally(channel: Channel): Tally {
    const name = channelName(channel);
    const tally = this.#tallies.get(name) ?? noTally();
    this.#tallies.set(name, tally);
    return tally;
  }
}

function noTally(): Tally {
  return { entries: new Set(), open: 0, bytes: 0 };
}

function bytesOf(state: State): number {
  if (state.type === "arriving") return state.question.bytes;
  return state.type === "answered" ? state.answer.bytes : 0;
}

function acknowledge(entry: Entry, mask: number, out: RpcOut[]): void {
  const { peer, kind, id } = entry;
  const payload = encodeAck({ call: id, isAnswer: false, verdict: "received", mask });
  out.push({ type: "send", peer, kind, payload });
}

function refuse(
  channel: Channel,
  call: string,
  verdict: "unknown" | "busy",
  out: RpcOut[],
): void {
  const payload = encodeAck({ call, isAnswer: false, verdict, mask: 0 });
  out.push({ type: "send", peer: channel.peer, kind: channel.kind, payload });
}
