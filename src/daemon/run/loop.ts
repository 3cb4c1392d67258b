/**
 * The one loop that owns the node machine: datagrams, timers and requests go in, what comes out is
 * done at once, and calls become promises.
 *
 * ```text
 *   ffi/net ──datagram──▶ ┌─────────────┐ ──transmit──▶ ffi/net
 *   timer   ──wake──────▶ │ NodeMachine │ ──routes────▶ ffi/net's table of peers
 *   call()  ──call──────▶ └─────────────┘ ──called────▶ the promise of call()
 * ```
 *
 * @module
 */
import {
  BoundedMap,
  type Instant,
  OmertaError,
  type PeerKey,
  splitPeerKey,
} from "../../base/mod.ts";
import type { NetHost } from "../../host/net/net.ts";
import type { Member } from "../../membership/mod.ts";
import {
  type Answer,
  BODY_BYTES_MAX,
  type CallName,
  encodeBody,
  encodeRefusal,
  isCallName,
  type NodeIn,
  type NodeMachine,
  type NodeOut,
  parseAnswer,
  parseQuestion,
  parseRefusal,
  type Question,
} from "../../node/mod.ts";
import type { RpcResult } from "../../rpc/mod.ts";
import type { Caller, CallHandler, CallOptions } from "../ports.ts";
import { outward } from "../outward.ts";
import { attempt } from "../../host/attempt.ts";
import type { Log } from "../../host/log.ts";

/**
 * Silence after which the data path doubts the active path, and after which it counts as dead, in waits
 * for an answer on it: 200 ms and 1.5 s on all but slow paths. Source: the design, and a guess.
 */
const DOUBT_WAITS = 0.5;
const DEAD_WAITS = 3.75;
/** A call to a peer gives up after this unless it says otherwise. Guess. */
export const CALL_TIMEOUT_MS = 10_000;
/** A handshake gives up after this at the latest; the session core gives up earlier. Guess. */
const CONNECT_TIMEOUT_MS = 8_000;
/** Peers whose alias is known, to name them in errors; the oldest gives way. Guess. */
const ALIASES_MAX = 4_096;

/** What the loop tells besides calls. */
export type LoopEvent = Extract<
  NodeOut<Member>,
  { readonly type: "peer-up" | "peer-down" | "moved" | "endpoints" }
>;

interface Waiting {
  resolve(value: RpcResult | PeerKey): void;
  reject(error: OmertaError): void;
}

/** On what a loop stands. */
export interface LoopParts {
  readonly machine: NodeMachine<Member>;
  readonly net: NetHost;
  readonly log: Log;
  now(): Instant;
  /** The addresses of `HOST:PORT`; none where the name is not known. */
  resolve(hostPort: string): Promise<readonly string[]>;
  /** Puts a fact on the disk; throws where it cannot. */
  keep(key: string, value: unknown): void;
  onDefect(error: unknown): void;
}

/** The running node machine. */
export class Loop {
  readonly machine: NodeMachine<Member>;
  readonly #net: NetHost;
  readonly #now: () => Instant;
  readonly #parts: LoopParts;
  readonly #handlers = new Map<CallName, CallHandler<CallName>>();
  readonly #listeners = new Set<(event: LoopEvent) => void>();
  readonly #waiting = new Map<number, Waiting>();
  /** The input of the turn that runs, and those that it caused. */
  readonly #inputs: NodeIn[] = [];
  /** What peers call themselves. */
  readonly #aliases = new BoundedMap<PeerKey, string>(ALIASES_MAX, "evict-oldest");
  #nextToken = 1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(parts: LoopParts) {
    this.machine = parts.machine;
    this.#net = parts.net;
    this.#now = parts.now;
    this.#parts = parts;
  }

  /** Serves one kind of call. */
  serve<N extends CallName>(name: N, handler: CallHandler<N>): void {
    this.#handlers.set(name, handler as unknown as CallHandler<CallName>);
  }

  /** Calls `listener` at every event. Returns what ends that. */
  listen(listener: (event: LoopEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Hands an input to the machine and does what it says. What that causes here comes after it, so
   * that nothing newer is overtaken by what was said before.
   */
  input(input: NodeIn): void {
    this.#inputs.push(input);
    if (this.#inputs.length > 1) return; // the turn that runs takes it
    for (let next = this.#inputs[0]; next !== undefined; next = this.#inputs[0]) {
      try {
        this.#turn(next);
      } finally {
        this.#inputs.shift();
      }
    }
  }

  /**
   * Begins a session over a path; resolves with the peer that answered.
   *
   * @throws {OmertaError} `unreachable`, or `not-member` where the peer has no valid certificate.
   */
  async connect(
    connect: Omit<Extract<NodeIn, { type: "connect" }>, "type" | "token">,
    options: CallOptions = {},
  ): Promise<PeerKey> {
    const start = (token: number) => this.input({ type: "connect", token, ...connect });
    const peer = await this.#await(start, { timeoutMs: CONNECT_TIMEOUT_MS, ...options });
    return peer as PeerKey;
  }

  /**
   * Asks a peer with which there is a session.
   *
   * @throws {OmertaError} The peer's refusal with its code, `unreachable` or `timeout`.
   */
  async call<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
    options: CallOptions = {},
  ): Promise<Answer<N>> {
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS;
    const body = encodeBody(question);
    const kind = options.kind ?? "epoch";
    const start = (token: number) =>
      this.input({ type: "call", token, peer, kind, name, body, timeoutMs });
    const result = await this.#await(start, { ...options, timeoutMs: timeoutMs + 1_000 });
    return this.#answerOf(peer, name, result as RpcResult);
  }

  /** Ends the loop: nothing goes in or out any more, and everybody who waits is told. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new OmertaError("unreachable", "The node is ending"));
    }
    this.#waiting.clear();
  }

  #turn(input: NodeIn): void {
    if (this.#closed) return;
    const out: NodeOut<Member>[] = [];
    this.#guard(() => this.machine.handle(input, this.#now(), out));
    for (const output of out) this.#guard(() => this.#perform(output));
    this.#guard(() => this.#arm());
  }

  /** A defect in one step must not end the node, nor keep the next steps from being done. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#parts.onDefect(error);
    }
  }

  #await(
    start: (token: number) => void,
    options: CallOptions,
  ): Promise<RpcResult | PeerKey> {
    const token = this.#nextToken++;
    const { promise, resolve, reject } = Promise.withResolvers<RpcResult | PeerKey>();
    const giveUp = (error: OmertaError) => {
      if (this.#waiting.has(token)) this.input({ type: "cancel", token });
      reject(error);
    };
    const late = () => giveUp(new OmertaError("unreachable", "The peer did not answer in time"));
    const timer = setTimeout(late, options.timeoutMs ?? CALL_TIMEOUT_MS);
    const onAbort = () => giveUp(new OmertaError("timeout", "The command was given up"));
    options.signal?.addEventListener("abort", onAbort, { once: true });
    this.#waiting.set(token, { resolve, reject });
    if (options.signal?.aborted) onAbort();
    else start(token);
    return promise.finally(() => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      this.#waiting.delete(token);
    });
  }

  #perform(output: NodeOut<Member>): void {
    switch (output.type) {
      case "transmit":
        return this.#net.send(output.path, output.bytes, output.ttl);
      case "heard":
        return this.#net.heard(output.path);
      case "receivers": {
        const { add, remove } = output;
        return void this.#net.command("session.set", { add, remove });
      }
      case "routes":
        return this.#route(output);
      case "connected":
        return this.#waiting.get(output.token)?.resolve(output.peer);
      case "connect-failed":
        return this.#waiting.get(output.token)?.reject(connectError(output));
      case "called":
        return this.#waiting.get(output.token)?.resolve(output.result);
      case "request":
        void this.#answer(output);
        return;
      case "keep":
        return this.#keep(output);
      case "tell":
        return this.#parts.log[output.level](`${output.part}: ${output.what}`, output.fields);
      case "resolve":
        void this.#resolve(output.token, output.names);
        return;
      default:
        if (output.type === "peer-up") this.#noteAlias(output);
        for (const listener of [...this.#listeners]) this.#guard(() => listener(output));
    }
  }

  /** A part's fact; a disk that is full keeps nobody from talking. */
  #keep({ part, key, value }: Extract<NodeOut<Member>, { type: "keep" }>): void {
    attempt(this.#parts.log, `keep ${part}'s ${key}`, () => this.#parts.keep(key, value));
  }

  async #resolve(token: number, names: readonly string[]): Promise<void> {
    const addresses = await Promise.all(names.map((name) => this.#parts.resolve(name)));
    this.input({ type: "resolved", token, addresses });
  }

  #noteAlias({ peer, kind, member }: Extract<LoopEvent, { type: "peer-up" }>): void {
    if (kind !== "epoch") return;
    if (member.alias === null) this.#aliases.delete(peer);
    else this.#aliases.set(peer, member.alias);
  }

  #route(routes: Extract<NodeOut<Member>, { type: "routes" }>): void {
    const { peer, active, standby, accept, patienceMs } = routes;
    const doubtMs = DOUBT_WAITS * patienceMs;
    const deadMs = DEAD_WAITS * patienceMs;
    if (accept.length === 0) this.#net.command("peer.remove", { peer });
    else this.#net.command("peer.set", { peer, active, standby, accept, doubtMs, deadMs });
  }

  async #answer(request: Extract<NodeOut<Member>, { type: "request" }>): Promise<void> {
    const { peer, call, kind } = request;
    try {
      const caller = this.#callerOf(request);
      const body = encodeBody(await this.#handle(request.name, request.body, caller));
      if (body.length > BODY_BYTES_MAX) throw tooLong(request.name, body.length);
      this.input({ type: "answer", peer, kind, call, ok: true, body });
    } catch (error) {
      if (!(error instanceof OmertaError)) this.#parts.onDefect(error);
      const body = encodeRefusal(outward(error));
      this.input({ type: "answer", peer, kind, call, ok: false, body });
    }
  }

  #callerOf({ peer, kind }: Extract<NodeOut<Member>, { type: "request" }>): Caller {
    const source = this.machine.sourceOf(peer, kind);
    return source === undefined ? { peer, kind } : { peer, kind, source };
  }

  async #handle(name: string, body: Uint8Array, caller: Caller): Promise<object> {
    const handler = isCallName(name) ? this.#handlers.get(name) : undefined;
    if (!isCallName(name) || handler === undefined) {
      throw new OmertaError("unsupported", `The peer does not serve ${JSON.stringify(name)}`);
    }
    if (caller.kind === "invite" && name !== "redeem") {
      throw new OmertaError("not-allowed", "An invite's session only redeems the invite");
    }
    const question = parseQuestion(name, body);
    if (!question.ok) throw new OmertaError("refused", "The question is malformed");
    return await handler(caller, question.value);
  }

  #answerOf<N extends CallName>(peer: PeerKey, name: N, result: RpcResult): Answer<N> {
    const who = `${roleIn(name)} ${this.#nameOf(peer)}`;
    if (result.ok) {
      const answer = parseAnswer(name, result.body);
      if (answer.ok) return answer.value;
      throw new OmertaError("refused", `The ${who} gave a malformed answer to ${name}`);
    }
    if (result.reason === "refused") throw refusedBy(peer, who, result.body);
    throw new OmertaError("unreachable", `The ${who} did not answer ${name}: ${result.reason}`, {
      hint: "See 'omerta mesh peers' for who is connected.",
      fields: { reason: result.reason },
    });
  }

  #nameOf(peer: PeerKey): string {
    const short = splitPeerKey(peer).node.slice(0, 8);
    const alias = this.#aliases.get(peer);
    return alias === undefined ? short : `${alias} (${short})`;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const wakeup = this.machine.wakeup();
    if (wakeup === undefined || this.#closed) return;
    const waitMs = Math.max(0, wakeup.at - this.#now());
    this.#timer = setTimeout(() => this.input({ type: "wake" }), waitMs);
  }
}

/** No call carries that: who asked is told at once, and does not wait for what cannot come. */
function tooLong(name: string, bytes: number): RangeError {
  return new RangeError(`Cannot answer ${name} with ${bytes} bytes: a call has ${BODY_BYTES_MAX}`);
}

/** Why a session did not come to be. */
export function connectError(
  { reason, detail }: Pick<
    Extract<NodeOut<Member>, { type: "connect-failed" }>,
    "reason" | "detail"
  >,
): OmertaError {
  switch (reason) {
    case "timeout":
      return new OmertaError("unreachable", "Nobody answers there");
    case "unwanted":
      return new OmertaError("unreachable", "Nothing is sent to the peer's address", {
        hint:
          "A record names it, and it is of a network that is not ours, or OMERTA_DIRECT=never " +
          "is set and no relay leads to the peer.",
      });
    case "wrong-peer":
      return new OmertaError("unreachable", "Another node than the expected one answers there");
    case "unverified":
    case "bad-identity":
      return noMember("The peer's membership does not hold", detail);
    case "refused":
      return noMember("The peer does not accept our membership", detail);
    case "busy":
    case "closed":
      return new OmertaError("unreachable", `No session with the peer: ${reason}`);
  }
}

/** That a membership does not count; where time is the reason, a clock is the likelier cause. */
function noMember(what: string, detail: string | null): OmertaError {
  const isOfTime = detail === "not-yet-valid" || detail === "expired";
  const why = detail === null ? "" : ` (${detail})`;
  const hint = "Is this machine's clock right? See what 'date -u' says here and at the peer.";
  const fields = { detail };
  return new OmertaError("not-member", `${what}${why}`, isOfTime ? { hint, fields } : { fields });
}

/** What the peer of a call is, as far as the call tells. */
function roleIn(name: CallName): string {
  if (name === "vm.event") return "renter";
  if (name.startsWith("vm.")) return "provider";
  return /^(relay|record)\./.test(name) && name !== "relay.offer" ? "relay" : "peer";
}

/**
 * A peer's refusal: its words as its own, and `said_by` in the fields, so that nobody adds a hint of
 * ours to them.
 */
function refusedBy(peer: PeerKey, who: string, body: Uint8Array): OmertaError {
  const { code, message, retryMs } = parseRefusal(body);
  const retry = retryMs === undefined ? {} : { retryMs };
  const said = { said_by: splitPeerKey(peer).node, ...retry };
  // That a peer does not serve a call says nothing of this machine.
  const isUnserved = code === "unsupported";
  return new OmertaError(isUnserved ? "refused" : code, `${who} says: ${message}`, {
    fields: isUnserved ? { ...said, reason: "unserved" } : said,
  });
}
