/**
 * Ports of use cases, for tests: they remember what was asked of them and say what the test says.
 *
 * @module
 */
import {
  type NetworkId,
  type NodeId,
  OmertaError,
  type PeerKey,
  peerKey,
  splitPeerKey,
} from "../../src/base/mod.ts";
import type {
  CallHandler,
  CallOptions,
  Calls,
  Holds,
  NodeAt,
  PeerEvent,
  Records,
  Timers,
  Views,
} from "../../src/daemon/ports.ts";
import type { Grant, Member, NodeRecord, Role } from "../../src/membership/mod.ts";
import type { Answer, CallName, Question } from "../../src/node/mod.ts";
import { KeepAlive } from "../../src/node/keep_alive.ts";
import type { Demand } from "../../src/path/mod.ts";

/** A call of that name that went out. */
export interface CalledBy<N extends CallName> {
  readonly peer: PeerKey;
  readonly name: N;
  readonly question: Question<N>;
}

/** A call that went out. */
export type Called = { readonly [N in CallName]: CalledBy<N> }[CallName];

type Answerer = (question: unknown, peer: PeerKey) => unknown;

/** Questions to peers, and answers for them. */
export class FakeCalls implements Calls {
  /** What went out, in order. */
  readonly made: Called[] = [];
  readonly #answers = new Map<string, Answerer>();
  readonly #handlers = new Map<string, CallHandler<CallName>>();
  /** What reaching a peer comes to: it is there, unless the test says otherwise. */
  onReach: (peer: PeerKey) => PeerKey | Promise<PeerKey> = (peer) => peer;

  /** Who answers at an address; nobody does unless the test says so. */
  onMeet: (network: NetworkId, at: NodeAt) => PeerKey | Promise<PeerKey> = () => {
    throw new OmertaError("unreachable", "Nobody answers there");
  };

  /** Answers our calls of that name from now on. */
  answer<N extends CallName>(
    name: N,
    answerer: (question: Question<N>, peer: PeerKey) => Answer<N> | Promise<Answer<N>>,
  ): void {
    this.#answers.set(name, answerer as Answerer);
  }

  /** A peer asks what is served. @throws what the handler throws, an OmertaError as a refusal. */
  async asked<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
  ): Promise<Answer<N>> {
    const handler = this.#handlers.get(name);
    if (handler === undefined) throw new Error(`${name} is not served`);
    return await handler({ peer, kind: "epoch" }, question as Question<CallName>) as Answer<N>;
  }

  /** Whether a kind of call is served. */
  serves(name: CallName): boolean {
    return this.#handlers.has(name);
  }

  /** The node began anew: nothing is served yet. */
  clear(): void {
    this.#handlers.clear();
  }

  serve<N extends CallName>(name: N, handler: CallHandler<N>): void {
    this.#handlers.set(name, handler as unknown as CallHandler<CallName>);
  }

  async call<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
    { signal }: CallOptions = {},
  ): Promise<Answer<N>> {
    this.made.push({ peer, name, question } as unknown as Called); // one name, and its question
    if (signal?.aborted) throw givenUp();
    const answerer = this.#answers.get(name);
    if (answerer === undefined) throw new OmertaError("unreachable", "nobody answers here");
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(givenUp());
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const answer = Promise.resolve().then(() => answerer(question, peer));
      return await Promise.race([answer, aborted.promise]) as Answer<N>;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async reach(peer: PeerKey): Promise<PeerKey> {
    return await this.onReach(peer);
  }

  async meet(network: NetworkId, at: NodeAt): Promise<PeerKey> {
    return await this.onMeet(network, at);
  }

  async ask<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
    options: CallOptions = {},
  ): Promise<Answer<N>> {
    return await this.call(await this.reach(peer), name, question, options);
  }
}

function givenUp(): OmertaError {
  return new OmertaError("timeout", "The command was given up");
}

/** Claims on paths. */
export class FakeHolds implements Holds {
  readonly #claims = new KeepAlive();

  claim(peer: PeerKey, use: string, demand: Demand): void {
    this.#claims.use(peer, use, demand);
  }

  drop(peer: PeerKey, use: string): void {
    this.#claims.drop(peer, use);
  }

  /** How much the paths to a peer matter now. */
  of(peer: PeerKey): Demand {
    return this.#claims.of(peer);
  }
}

/** Records that the test puts in. */
export class FakeRecords implements Records {
  /** The newest of each node. */
  readonly all = new Map<PeerKey, NodeRecord>();
  /** How often relays were asked. */
  asked = 0;
  isOfOtherTimes = false;
  isWithoutRelay = false;
  /** What relays tell when they are asked. */
  onRefresh: (network: NetworkId) => void = () => {};

  put(record: NodeRecord): void {
    this.all.set(peerKey(record.network, record.id), record);
  }

  refresh(network: NetworkId): Promise<boolean> {
    this.asked++;
    this.onRefresh(network);
    return Promise.resolve(this.isOfOtherTimes);
  }

  of(peer: PeerKey): NodeRecord | undefined {
    return this.all.get(peer);
  }

  list(network: NetworkId, role?: Role): NodeRecord[] {
    const known = [...this.all.values()].filter((record) => record.network === network);
    return role === undefined ? known : known.filter(({ roles }) => roles.includes(role));
  }

  isCutOff(): boolean {
    return this.isWithoutRelay;
  }
}

/** Peers that come, go and may do what the test says. */
export class FakeViews implements Views {
  readonly self: NodeId;
  readonly sessions = new Set<PeerKey>();
  readonly members = new Map<PeerKey, Member>();
  readonly rtts = new Map<PeerKey, number>();
  readonly #listeners = new Set<(event: PeerEvent) => void>();

  constructor(self: NodeId) {
    this.self = self;
  }

  /** Something happens to a peer. */
  emit(event: PeerEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** The node began anew: nobody listens yet. */
  clear(): void {
    this.#listeners.clear();
  }

  listen(listener: (event: PeerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isConnected(peer: PeerKey): boolean {
    return this.sessions.has(peer);
  }

  connected(): PeerKey[] {
    return [...this.sessions];
  }

  member(peer: PeerKey): Member | undefined {
    return this.members.get(peer);
  }

  holds(peer: PeerKey, grant: Grant): boolean {
    return this.members.get(peer)?.grants.includes(grant) ?? false;
  }

  rttMs(peer: PeerKey): number | null {
    return this.rtts.get(peer) ?? null;
  }

  nameOf(peer: PeerKey): string {
    return splitPeerKey(peer).node.slice(0, 8);
  }
}

/** Timers of the test's clock, `FakeTime`; its signals are real. */
export class FakeTimers implements Timers {
  after(ms: number, act: () => void): () => void {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  }

  signal(ms: number): AbortSignal {
    return AbortSignal.timeout(ms);
  }
}
