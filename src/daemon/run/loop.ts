/**
 * The one loop that owns the node machine: datagrams, timers and requests go in, what comes out is
 * done at once, and requests become promises. It drives and decides nothing.
 *
 * ```text
 *   ffi/net ──datagram──▶ ┌─────────────┐ ──transmit──▶ ffi/net
 *   timer   ──wake──────▶ │ NodeMachine │ ──routes────▶ ffi/net's table of peers
 *   call()  ──call──────▶ │             │ ──called────▶ the promise of call()
 *   disk, log, DNS ─────▶ └─────────────┘ ──keep, tell, resolve: disk, log, DNS
 * ```
 *
 * @module
 */
import { type Instant, OmertaError, type PeerKey, type SessionKind } from "../../base/mod.ts";
import { attempt } from "../../host/attempt.ts";
import type { Log } from "../../host/log.ts";
import type { NetHost } from "../../host/net/net.ts";
import type { Member } from "../../membership/mod.ts";
import type {
  FindSaid,
  NodeIn,
  NodeMachine,
  NodeOut,
  NodeView,
  RelaySaid,
} from "../../node/mod.ts";
import { silenceOf } from "../../path/mod.ts";
import type { RpcResult } from "../../rpc/mod.ts";
import type { CallOptions, Connect, Sessions } from "../ports.ts";
import { connectError } from "./call_errors.ts";

/** A handshake gives up after this at the latest; the session core gives up earlier. Guess. */
const CONNECT_TIMEOUT_MS = 8_000;
/** A second after the machine ends a call by itself, the clock does. */
const CALL_GRACE_MS = 1_000;

/** What the loop tells besides calls. */
export type LoopEvent =
  | Extract<
    NodeOut<Member>,
    { readonly type: "peer-up" | "peer-down" | "moved" | "endpoints" }
  >
  | RelaySaid;

/** A call of a peer that no part serves. */
export type Request = Extract<NodeOut<Member>, { readonly type: "request" }>;

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
export class Loop implements Sessions {
  readonly #machine: NodeMachine<Member>;
  readonly #net: NetHost;
  readonly #now: () => Instant;
  readonly #parts: LoopParts;
  readonly #listeners = new Set<(event: LoopEvent) => void>();
  readonly #waiting = new Map<number, Waiting>();
  /** The input of the turn that runs, and those that it caused. */
  readonly #inputs: NodeIn[] = [];
  #answer: (request: Request) => void = () => {};
  #found: (said: FindSaid) => void = () => {};
  #nextToken = 1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(parts: LoopParts) {
    this.#machine = parts.machine;
    this.#net = parts.net;
    this.#now = parts.now;
    this.#parts = parts;
  }

  /** What is known of peers and of ourselves. */
  get view(): NodeView<Member> {
    return this.#machine.view;
  }

  /** Hands all requests of peers to one who answers them by an input. */
  onRequest(answer: (request: Request) => void): void {
    this.#answer = answer;
  }

  /** Hands on how what was wanted of peers and records ended. */
  onFound(found: (said: FindSaid) => void): void {
    this.#found = found;
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
    connect: Connect,
    options: CallOptions = {},
  ): Promise<PeerKey> {
    const start = (token: number) => this.input({ type: "connect", token, ...connect });
    const peer = await this.#await(start, { timeoutMs: CONNECT_TIMEOUT_MS, ...options });
    return peer as PeerKey;
  }

  /** Ends a session, and tells the peer. */
  disconnect(peer: PeerKey, kind: SessionKind): void {
    this.input({ type: "disconnect", peer, kind });
  }

  /** Asks a peer with which there is a session; resolves with how it ended. */
  async call(
    call: Omit<Extract<NodeIn, { type: "call" }>, "type" | "token">,
    options: Pick<CallOptions, "signal"> = {},
  ): Promise<RpcResult> {
    const start = (token: number) => this.input({ type: "call", token, ...call });
    const timeoutMs = call.timeoutMs + CALL_GRACE_MS;
    return await this.#await(start, { ...options, timeoutMs }) as RpcResult;
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
    this.#guard(() => this.#machine.handle(input, this.#now(), out));
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
    options: CallOptions & { readonly timeoutMs: number },
  ): Promise<RpcResult | PeerKey> {
    const token = this.#nextToken++;
    const { promise, resolve, reject } = Promise.withResolvers<RpcResult | PeerKey>();
    const giveUp = (error: OmertaError) => {
      if (this.#waiting.has(token)) this.input({ type: "cancel", token });
      reject(error);
    };
    const late = () => giveUp(new OmertaError("unreachable", "The peer did not answer in time"));
    const timer = setTimeout(late, options.timeoutMs);
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
        return this.#answer(output);
      case "reached":
      case "unreached":
      case "listed":
      case "announced":
        return this.#found(output);
      case "keep":
        return this.#keep(output);
      case "tell":
        return this.#parts.log[output.level](`${output.part}: ${output.what}`, output.fields);
      case "resolve":
        void this.#resolve(output.token, output.names);
        return;
      default:
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

  #route(routes: Extract<NodeOut<Member>, { type: "routes" }>): void {
    const { peer, active, standby, accept, patienceMs } = routes;
    if (accept.length === 0) return this.#net.command("peer.remove", { peer });
    const silence = silenceOf(patienceMs);
    this.#net.command("peer.set", { peer, active, standby, accept, ...silence });
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const wakeup = this.#machine.wakeup();
    if (wakeup === undefined || this.#closed) return;
    const waitMs = Math.max(0, wakeup.at - this.#now());
    this.#timer = setTimeout(() => this.input({ type: "wake" }), waitMs);
  }
}
