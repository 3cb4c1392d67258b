/**
 * Calls of a simulated host, as its use cases make and answer them: what the daemon's loop does with
 * promises, here with callbacks.
 *
 * @module
 */
import type { PeerKey } from "../base/mod.ts";
import {
  type Answer,
  type CallName,
  encodeBody,
  encodeRefusal,
  isCallName,
  parseAnswer,
  parseQuestion,
  parseRefusal,
  type Question,
  type Refusal,
} from "../node/mod.ts";
import type { RpcResult } from "../rpc/mod.ts";
import type { Host, Out } from "./host.ts";

/** How long an answer may take, unless it is said. Source: the daemon's calls. */
const CALL_MS = 10_000;

/** How a call ended. */
export type Reply<N extends CallName> =
  | { readonly ok: true; readonly answer: Answer<N> }
  /** `failed`: nobody answered, or the session ended. */
  | { readonly ok: false; readonly refusal: Refusal | "failed" };

/** What serves a call. */
export type Server<N extends CallName> = (
  from: PeerKey,
  question: Question<N>,
) => { readonly ok: true; readonly answer: Answer<N> } | {
  readonly ok: false;
  readonly refusal: Refusal;
};

/** The calls of one host; a crash forgets those under way. */
export class HostCalls {
  readonly #waiting = new Map<number, (result: RpcResult) => void>();
  readonly #servers = new Map<CallName, Server<CallName>>();
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    host.listen((output) => {
      if (output.type === "called") this.#called(output);
      if (output.type === "request") this.#requested(output);
    });
    host.whenBegun(() => this.#waiting.clear());
  }

  /** Answers one kind of call from now on. */
  serve<N extends CallName>(name: N, server: Server<N>): void {
    this.#servers.set(name, server as unknown as Server<CallName>);
  }

  /** Asks a peer; `done` hears how it ended, once, unless the node ends before. */
  ask<N extends CallName>(
    peer: PeerKey,
    { name, question }: { readonly name: N; readonly question: Question<N> },
    done: (reply: Reply<N>) => void,
  ): void {
    const token = this.#host.nextToken();
    this.#waiting.set(token, (result) => done(replyOf(name, result)));
    const body = encodeBody(question);
    this.#host.take({ type: "call", token, peer, kind: "epoch", name, body, timeoutMs: CALL_MS });
  }

  #called({ token, result }: Out<"called">): void {
    const waiting = this.#waiting.get(token);
    this.#waiting.delete(token);
    waiting?.(result);
  }

  #requested({ peer, kind, call, name, body }: Out<"request">): void {
    const server = isCallName(name) ? this.#servers.get(name) : undefined;
    if (server === undefined || !isCallName(name)) return;
    const question = parseQuestion(name, body);
    if (!question.ok) return;
    const served = server(peer, question.value);
    const answer = served.ok ? encodeBody(served.answer) : encodeRefusal(served.refusal);
    this.#host.take({ type: "answer", peer, kind, call, ok: served.ok, body: answer });
  }
}

function replyOf<N extends CallName>(name: N, result: RpcResult): Reply<N> {
  if (result.ok) {
    const answer = parseAnswer(name, result.body);
    return answer.ok ? { ok: true, answer: answer.value } : { ok: false, refusal: "failed" };
  }
  const isRefusal = result.reason === "refused";
  return { ok: false, refusal: isRefusal ? parseRefusal(result.body) : "failed" };
}
