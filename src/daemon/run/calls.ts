/**
 * Questions to peers, and answers for them: values outside, bytes of calls inside.
 *
 * ```text
 *   call() ──▶ encoded ──▶ loop ──▶ its end ──▶ parsed ──▶ the promise of call(), or an error in words
 *   a peer's request ──▶ parsed ──▶ its handler ──▶ encoded ──▶ loop; an error as code and sentence
 * ```
 *
 * @module
 */
import {
  BoundedMap,
  type NetworkId,
  OmertaError,
  type PeerKey,
  splitPeerKey,
} from "../../base/mod.ts";
import {
  type Answer,
  BODY_BYTES_MAX,
  type CallName,
  encodeBody,
  encodeRefusal,
  isCallName,
  parseAnswer,
  parseQuestion,
  parseRefusal,
  type Question,
} from "../../node/mod.ts";
import type { RpcResult } from "../../rpc/mod.ts";
import { outward } from "../outward.ts";
import type { Caller, CallHandler, CallOptions, Calls, NodeAt } from "../ports.ts";
import { malformedAnswer, noAnswer, refusedBy, roleIn, tooLong } from "./call_errors.ts";
import type { Loop, LoopEvent, Request } from "./loop.ts";
import type { Searches } from "./searches.ts";

/** A call to a peer gives up after this unless it says otherwise. Guess. */
export const CALL_TIMEOUT_MS = 10_000;
/** Peers whose alias is known, to name them in errors; the oldest gives way. Guess. */
const ALIASES_MAX = 4_096;

/** On what calls stand. */
export interface CallParts {
  readonly loop: Loop;
  readonly searches: Pick<Searches, "reach" | "meet">;
  onDefect(error: unknown): void;
}

/** The calls of a running node. */
export class NodeCalls implements Calls {
  readonly #parts: CallParts;
  readonly #loop: Loop;
  readonly #handlers = new Map<CallName, CallHandler<CallName>>();
  /** What peers call themselves. */
  readonly #aliases = new BoundedMap<PeerKey, string>(ALIASES_MAX, "evict-oldest");

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.#loop = parts.loop;
    this.#loop.onRequest((request) => void this.#answer(request));
    this.#loop.listen((event) => this.#noteAlias(event));
  }

  serve<N extends CallName>(name: N, handler: CallHandler<N>): void {
    this.#handlers.set(name, handler as unknown as CallHandler<CallName>);
  }

  async call<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
    { timeoutMs = CALL_TIMEOUT_MS, kind = "epoch", ...options }: CallOptions = {},
  ): Promise<Answer<N>> {
    const body = encodeBody(question);
    const result = await this.#loop.call({ peer, kind, name, body, timeoutMs }, options);
    return this.#answerOf(peer, name, result);
  }

  async reach(peer: PeerKey, options: CallOptions = {}): Promise<PeerKey> {
    return await this.#parts.searches.reach(peer, options);
  }

  async meet(network: NetworkId, at: NodeAt, options: CallOptions = {}): Promise<PeerKey> {
    return await this.#parts.searches.meet(network, at, options);
  }

  async ask<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
    options: CallOptions = {},
  ): Promise<Answer<N>> {
    const once = async () => {
      await this.reach(peer, options);
      return await this.call(peer, name, question, options);
    };
    try {
      return await once();
    } catch (error) {
      const isGone = error instanceof OmertaError && error.fields["reason"] === "gone";
      if (!isGone || options.signal?.aborted) throw error;
      return await once();
    }
  }

  /** `alias (id)` or a short id. */
  nameOf(peer: PeerKey): string {
    const short = splitPeerKey(peer).node.slice(0, 8);
    const alias = this.#aliases.get(peer);
    return alias === undefined ? short : `${alias} (${short})`;
  }

  #noteAlias(event: LoopEvent): void {
    if (event.type !== "peer-up" || event.kind !== "epoch") return;
    const { peer, member } = event;
    if (member.alias === null) this.#aliases.delete(peer);
    else this.#aliases.set(peer, member.alias);
  }

  async #answer(request: Request): Promise<void> {
    const { peer, call, kind } = request;
    try {
      const caller = this.#callerOf(request);
      const body = encodeBody(await this.#handle(request.name, request.body, caller));
      if (body.length > BODY_BYTES_MAX) throw tooLong(request.name, body.length);
      this.#loop.input({ type: "answer", peer, kind, call, ok: true, body });
    } catch (error) {
      if (!(error instanceof OmertaError)) this.#parts.onDefect(error);
      const body = encodeRefusal(outward(error));
      this.#loop.input({ type: "answer", peer, kind, call, ok: false, body });
    }
  }

  #callerOf({ peer, kind }: Request): Caller {
    const source = this.#loop.view.sourceOf(peer, kind);
    return source === undefined ? { peer, kind } : { peer, kind, source };
  }

  async #handle(name: string, body: Uint8Array, caller: Caller): Promise<object> {
    if (caller.kind === "invite" && name !== "redeem") {
      throw new OmertaError("not-allowed", "An invite's session only redeems the invite");
    }
    const handler = isCallName(name) ? this.#handlers.get(name) : undefined;
    if (!isCallName(name) || handler === undefined) {
      throw new OmertaError("unsupported", `The peer does not serve ${JSON.stringify(name)}`);
    }
    const question = parseQuestion(name, body);
    if (!question.ok) throw new OmertaError("refused", "The question is malformed");
    return await handler(caller, question.value);
  }

  #answerOf<N extends CallName>(peer: PeerKey, name: N, result: RpcResult): Answer<N> {
    const who = `${roleIn(name)} ${this.nameOf(peer)}`;
    if (result.ok) {
      const answer = parseAnswer(name, result.body);
      if (answer.ok) return answer.value;
      throw malformedAnswer(who, name);
    }
    if (result.reason === "refused") throw refusedBy(peer, who, parseRefusal(result.body));
    throw noAnswer(who, name, result.reason);
  }
}
