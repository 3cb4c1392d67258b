/**
 * One who speaks the protocol: the project's own machine on a socket, or on a network in memory, without a
 * node around it that would keep it honest. For tests of what a real node answers to whom.
 *
 * @module
 */
import { createSocket } from "node:dgram";
import {
  type Instant,
  ok,
  type Path,
  type PeerKey,
  type SessionKind,
} from "../../../src/base/mod.ts";
import { generateIdentity, generateKeyPair } from "../../../src/crypto/mod.ts";
import { systemRandom } from "../../../src/host/system.ts";
import type { Grant, Member } from "../../../src/membership/mod.ts";
import {
  type Answer,
  type CallName,
  encodeBody,
  type NodeIn,
  NodeMachine,
  type NodeOut,
  parseAnswer,
  parseRefusal,
  type Question,
} from "../../../src/node/mod.ts";
import type { AcceptedKey } from "../../../src/session/mod.ts";
import {
  type Address,
  directPath,
  encodeRelayed,
  parseFrame,
  pathParts,
  relayedPath,
  TO_RELAY,
} from "../../../src/wire/mod.ts";

type Out<T extends NodeOut<Member>["type"]> = Extract<NodeOut<Member>, { readonly type: T }>;
/** What carries a speaker's datagrams. */
export interface Carrier {
  /** From now on `receive` gets what comes. */
  listen(receive: (bytes: Uint8Array, from: Address) => void): void;
  send(bytes: Uint8Array, to: Address): void;
  /** Takes any port of loopback; resolves with it. */
  bind(): Promise<number>;
  close(): void;
}

/** A UDP socket of this machine. */
class UdpCarrier implements Carrier {
  readonly #socket = createSocket("udp4");

  listen(receive: (bytes: Uint8Array, from: Address) => void): void {
    this.#socket.on("message", (bytes, { address: ip, port }) => {
      receive(Uint8Array.from(bytes), { ip, port });
    });
  }

  send(bytes: Uint8Array, { ip, port }: Address): void {
    this.#socket.send(bytes, port, ip);
  }

  async bind(): Promise<number> {
    const bound = Promise.withResolvers<void>();
    this.#socket.bind(0, "127.0.0.1", () => bound.resolve());
    await bound.promise;
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }
}

/** How a session ended. */
export type Down = Out<"peer-down">;

/** How a call ended: its answer, or the code of its refusal. */
export type Outcome<N extends CallName> = { readonly answer: Answer<N> } | {
  readonly code: string;
};

/** The machine of a node on a carrier, without anything that would keep it honest. */
export class Speaker {
  readonly identity = generateIdentity(systemRandom).identity;
  readonly staticKey = generateKeyPair(systemRandom);
  readonly #machine: NodeMachine<Member>;
  readonly #carrier: Carrier;
  readonly #waiting = new Map<
    number,
    (output: Out<"called" | "connected" | "connect-failed">) => void
  >();
  readonly #downs: ((down: Down) => void)[] = [];
  #token = 1;
  #answerer: ((call: CallName) => object) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** @param trusts What it holds every peer to be. */
  constructor(carrier: Carrier = new UdpCarrier(), trusts: readonly Grant[] = []) {
    this.#carrier = carrier;
    const member = { grants: trusts, certificate: null, alias: null } as unknown as Member;
    const trusting = () => ok(member);
    this.#machine = new NodeMachine<Member>({
      identity: this.identity,
      staticKey: this.staticKey,
      random: systemRandom,
      verifyPeer: trusting,
      wallMs: () => Date.now(),
    });
    carrier.listen((bytes, from) => this.#received(bytes, from));
  }

  /** Begins a session. @throws {Error} that says why there is none. */
  async connect(
    connect: Pick<Extract<NodeIn, { type: "connect" }>, "peer" | "path" | "key" | "payload">,
  ): Promise<void> {
    const ended = await this.#begin((token) => ({
      type: "connect",
      token,
      named: "person",
      ...connect,
    }));
    if (ended.type !== "connect-failed") return;
    throw new Error(`not connected: ${ended.reason} ${ended.detail ?? ""}`.trim());
  }

  /** Asks a peer with which there is a session. */
  async call<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
    kind: SessionKind = "epoch",
  ): Promise<Outcome<N>> {
    const body = encodeBody(question);
    const ended = await this.#begin((token) => {
      return { type: "call", token, peer, kind, name, body, timeoutMs: 10_000 };
    });
    if (ended.type !== "called") throw new Error(`${name} ended as ${ended.type}`);
    const { result } = ended;
    if (result.ok) {
      const answer = parseAnswer(name, result.body);
      if (!answer.ok) throw new Error(`${name} has a malformed answer`);
      return { answer: answer.value };
    }
    return { code: result.reason === "refused" ? parseRefusal(result.body).code : result.reason };
  }

  /** Answers handshakes by those keys, and every call in them; resolves with its port on loopback. */
  async answer(
    keys: readonly AcceptedKey[],
    answerer: (call: CallName) => object,
  ): Promise<number> {
    this.#answerer = answerer;
    this.#take({ type: "keys", keys });
    return await this.#carrier.bind();
  }

  /** The next session that ends. */
  nextDown(): Promise<Down> {
    return new Promise((resolve) => this.#downs.push(resolve));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#carrier.close();
  }

  #begin(
    input: (token: number) => NodeIn,
  ): Promise<Out<"called" | "connected" | "connect-failed">> {
    const token = this.#token++;
    return new Promise((resolve) => {
      this.#waiting.set(token, resolve);
      this.#take(input(token));
    });
  }

  #take(input: NodeIn): void {
    if (this.#closed) return; // a datagram that was on its way
    const out: NodeOut<Member>[] = [];
    this.#machine.handle(input, performance.now() as Instant, out);
    for (const output of out) this.#perform(output);
    clearTimeout(this.#timer);
    const at = this.#machine.wakeup()?.at;
    if (at === undefined) return;
    const waitMs = Math.max(0, at - performance.now());
    this.#timer = setTimeout(() => this.#take({ type: "wake" }), waitMs);
  }

  #perform(output: NodeOut<Member>): void {
    switch (output.type) {
      case "transmit":
        return this.#send(output.path, output.bytes);
      case "called":
      case "connected":
      case "connect-failed":
        this.#waiting.get(output.token)?.(output);
        this.#waiting.delete(output.token);
        return;
      case "request": {
        const { peer, kind, call, name } = output;
        if (this.#answerer === undefined) return;
        const body = encodeBody(this.#answerer(name as CallName));
        return this.#take({ type: "answer", peer, kind, call, ok: true, body });
      }
      case "peer-down":
        for (const told of this.#downs.splice(0)) told(output);
    }
  }

  #send(path: Path, bytes: Uint8Array): void {
    const parts = pathParts(path);
    if (parts === undefined || parts.address.ip.includes(":")) return;
    const { address } = parts;
    const frame = parts.via === "direct" ? bytes : encodeRelayed(TO_RELAY, parts.session, bytes);
    this.#carrier.send(frame, address);
  }

  #received(bytes: Uint8Array, from: Address): void {
    const path = directPath(from);
    const frame = parseFrame(bytes);
    if (!frame.ok || frame.value.type === "tunnel") return;
    if (frame.value.type === "control") return this.#take({ type: "datagram", path, bytes });
    const { session, inner } = frame.value;
    this.#take({ type: "datagram", path: relayedPath(path, session), bytes: inner.slice() });
  }
}

/** The code of a refusal, else "done". */
export function codeOf(outcome: Outcome<CallName>): string {
  return "code" in outcome ? outcome.code : "done";
}
