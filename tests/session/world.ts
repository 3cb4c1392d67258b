/**
 * Nodes with sessions and calls on a simulated network: seeded loss, duplication, delay and with it
 * reordering. Time is a number that events move on; nothing waits.
 */
import assert from "node:assert/strict";
import {
  after,
  type Instant,
  type NetworkId,
  type NodeId,
  ok,
  type Path,
  type PeerKey,
  peerKey,
  type Random,
  seededRandom,
} from "../../src/base/mod.ts";
import {
  deriveGateKey,
  generateIdentity,
  generateKeyPair,
  type Identity,
} from "../../src/crypto/mod.ts";
import {
  type AcceptedKey,
  type SessionIn,
  type SessionKey,
  SessionMachine,
  type SessionOptions,
  type SessionOut,
} from "../../src/session/mod.ts";
import { asPath, CONTROL, MESSAGE } from "../../src/wire/mod.ts";
import { Chance, EventHeap } from "../../src/sim/mod.ts";
import { type RpcIn, RpcMachine, type RpcOut } from "../../src/rpc/mod.ts";

export const bytes = (...values: number[]) => Uint8Array.from(values);

/** What the wire does to a datagram. */
export interface Weather {
  /** Chance of a loss, and of a second delivery. */
  readonly loss: number;
  readonly duplication: number;
  readonly delayMs: { readonly min: number; readonly max: number };
}

export const CALM: Weather = { loss: 0, duplication: 0, delayMs: { min: 10, max: 10 } };
export const STORM: Weather = { loss: 0.3, duplication: 0.2, delayMs: { min: 5, max: 120 } };

/** One network's gate. */
export function gateOf(network: NetworkId, seed: number, kind: "epoch" | "invite" = "epoch") {
  return { network, kind, ...deriveGateKey(new Uint8Array(32).fill(seed)) } satisfies SessionKey;
}

/** A node of the world, and everything that came out of it. */
export class Node {
  readonly sessions: SessionMachine<string>;
  readonly rpc: RpcMachine;
  readonly said: SessionOut<string>[] = [];
  readonly asked: (RpcOut & { type: "request" })[] = [];
  readonly done: (RpcOut & { type: "done" })[] = [];
  /** The receivers that the native data path lets in. */
  readonly receivers = new Set<number>();
  /** Answers requests at once, when set. */
  onRequest: ((request: RpcOut & { type: "request" }) => RpcIn | undefined) | undefined;

  constructor(
    readonly world: World,
    readonly address: Path,
    readonly identity: Identity,
    options: Partial<SessionOptions<string>>,
  ) {
    this.sessions = new SessionMachine({
      identity,
      staticKey: generateKeyPair(world.random),
      random: world.random,
      verifyPeer: (claim) => ok(`${claim.kind} ${claim.payload.toHex()}`),
      ...options,
    });
    this.rpc = new RpcMachine({ random: world.random });
  }

  get id(): NodeId {
    return this.identity.id;
  }

  /** The key under which this node is known in the world's network. */
  get peer(): PeerKey {
    return peerKey(this.world.network, this.id);
  }

  take(input: SessionIn): SessionOut<string>[] {
    const out: SessionOut<string>[] = [];
    const isLetIn = input.type !== "datagram" || this.#letsIn(input.bytes);
    this.sessions.handle(input, this.world.now, out);
    assert.ok(isLetIn || out.length === 0, "the data path would keep out what means something");
    const { add, remove } = this.sessions.takeReceivers() ?? { add: [], remove: [] };
    for (const id of add) this.receivers.add(id);
    for (const id of remove) this.receivers.delete(id);
    for (const output of out) this.#session(output);
    return out;
  }

  /** The rule of the native data path: a frame that names a receiver needs one that there is. */
  #letsIn(frame: Uint8Array): boolean {
    const names = frame.length >= 8 && frame[3] !== CONTROL.hello && frame[3] !== CONTROL.cookie;
    return !names || this.receivers.has(new DataView(frame.buffer, frame.byteOffset).getUint32(4));
  }

  takeRpc(input: RpcIn): RpcOut[] {
    const out: RpcOut[] = [];
    this.rpc.handle(input, this.world.now, out);
    for (const output of out) this.#rpc(output);
    return out;
  }

  accept(...keys: (SessionKey & { payload?: Uint8Array })[]): this {
    const accepted: AcceptedKey[] = keys.map((key) => ({ payload: bytes(0xaa), ...key }));
    this.take({ type: "keys", keys: accepted });
    return this;
  }

  connect(to: Node, key: SessionKey = this.world.gate): SessionOut<string>[] {
    const payload = bytes(0xbb);
    return this.take({ type: "connect", peer: to.id, path: to.address, key, payload });
  }

  send(to: Node, ...payload: number[]): void {
    const at = this.sessions.pathOf(to.peer) ?? to.address;
    this.take({ type: "send", peer: to.peer, path: asPath(at), payload: bytes(...payload) });
  }

  /** Outputs of a type, so far. */
  heard<T extends SessionOut<string>["type"]>(type: T): Extract<SessionOut<string>, { type: T }>[] {
    return this.said.filter((o): o is Extract<SessionOut<string>, { type: T }> => o.type === type);
  }

  #session(output: SessionOut<string>): void {
    this.said.push(output);
    if (output.type === "transmit") this.world.transmit(this.address, output.path, output.bytes);
    if (output.type === "closed") this.takeRpc({ type: "peer-gone", peer: output.peer });
    if (output.type !== "received") return;
    const { peer, kind, payload } = output;
    const isRpc = payload[0] === MESSAGE.rpcPiece || payload[0] === MESSAGE.rpcAck;
    if (isRpc) this.takeRpc({ type: "message", peer, kind, bytes: payload });
  }

  #rpc(output: RpcOut): void {
    switch (output.type) {
      case "send": {
        const { peer, kind, payload } = output;
        const path = this.sessions.pathOf(peer, kind) ?? "192.0.2.99:9";
        return void this.take({ type: "send", peer, kind, path: asPath(path), payload });
      }
      case "request": {
        this.asked.push(output);
        const answer = this.onRequest?.(output);
        if (answer !== undefined) this.takeRpc(answer);
        return;
      }
      case "done":
        this.done.push(output);
    }
  }
}

interface Flight {
  readonly to: Path;
  readonly from: Path;
  readonly bytes: Uint8Array;
}

/** The network, its clock and its nodes. */
export class World {
  now = 0 as Instant;
  weather: Weather = CALM;
  readonly random: Random;
  readonly network: NetworkId;
  readonly gate: SessionKey;
  /** Every datagram that was ever sent, before the weather. */
  readonly wire: Flight[] = [];
  /** Looks at datagrams; `false` drops one. */
  filter: (flight: Flight) => boolean = () => true;
  readonly #nodes = new Map<Path, Node>();
  readonly #flights = new EventHeap<Flight>();
  readonly #chance: Chance;

  constructor(seed = 1) {
    this.random = seededRandom(seed);
    this.#chance = new Chance(seed, "weather");
    this.network = generateIdentity(this.random).identity.id as string as NetworkId;
    this.gate = gateOf(this.network, 7);
  }

  /** A node at 10.0.N.1:9000 that accepts the world's gate. */
  node(options: Partial<SessionOptions<string>> = {}): Node {
    const address = asPath(`10.0.${this.#nodes.size}.1:9000`);
    const identity = options.identity ?? generateIdentity(this.random).identity;
    const node = new Node(this, address, identity, options);
    this.#nodes.set(address, node);
    return node.accept(this.gate);
  }

  /** Two nodes, the one with the smaller id first. */
  pair(): [Node, Node] {
    const [a, b] = [this.node(), this.node()];
    return a.id < b.id ? [a, b] : [b, a];
  }

  /** Puts another machine at an address: the node was started anew. */
  replace(node: Node, options: Partial<SessionOptions<string>> = {}): Node {
    const fresh = new Node(this, node.address, node.identity, options);
    this.#nodes.set(node.address, fresh);
    return fresh.accept(this.gate);
  }

  transmit(from: Path, to: Path, datagram: Uint8Array): void {
    this.wire.push({ from, to, bytes: datagram });
    this.#fly(from, to, datagram);
    if (this.#chance.happens(this.weather.duplication)) this.#fly(from, to, datagram);
  }

  /** Delivers datagrams and timers until a moment, in order. */
  run(forMs: number): void {
    const end = after(this.now, forMs);
    for (let steps = 0;; steps++) {
      assert.ok(steps < 200_000, "the world does not come to rest");
      const next = this.#next(end);
      if (next === undefined) break;
      this.now = next.at;
      next.act();
    }
    this.now = end;
  }

  /** The last datagram of a control type that went to an address. */
  last(type: number, to: string): Uint8Array {
    const found = this.wire.findLast((flight) => flight.bytes[3] === type && flight.to === to);
    assert.ok(found, `no datagram of type ${type} to ${to}`);
    return found.bytes.slice();
  }

  /** Delivers bytes to a node as if they came from an address. */
  inject(to: Node, from: Path, datagram: Uint8Array): SessionOut<string>[] {
    return to.take({ type: "datagram", path: from, bytes: datagram });
  }

  #fly(from: Path, to: Path, datagram: Uint8Array): void {
    if (this.#chance.happens(this.weather.loss)) return;
    const { min, max } = this.weather.delayMs;
    const at = after(this.now, Math.round(min + this.#chance.draw() * (max - min)));
    this.#flights.push(at, 0, { from, to, bytes: datagram });
  }

  #next(end: Instant): { at: Instant; act: () => void } | undefined {
    const timers = [...this.#nodes.values()].flatMap((node) => this.#timers(node));
    const at = this.#flights.nextAt();
    const flights = at === undefined ? [] : [{ at, act: () => this.#deliver() }];
    const due = [...timers, ...flights].filter((event) => event.at <= end);
    return due.toSorted((a, b) => a.at - b.at)[0];
  }

  #timers(node: Node): { at: Instant; act: () => void }[] {
    const [session, rpc] = [node.sessions.wakeup(), node.rpc.wakeup()];
    const late = (at: Instant) => Math.max(at, this.now) as Instant;
    return [
      ...(session ? [{ at: late(session.at), act: () => void node.take({ type: "wake" }) }] : []),
      ...(rpc ? [{ at: late(rpc.at), act: () => void node.takeRpc({ type: "wake" }) }] : []),
    ];
  }

  #deliver(): void {
    const flight = this.#flights.pop();
    if (flight === undefined || !this.filter(flight)) return;
    const node = this.#nodes.get(flight.to);
    node?.take({ type: "datagram", path: flight.from, bytes: flight.bytes });
  }
}

/** Two nodes with a session: the first one began. */
export function connected(world: World): [Node, Node] {
  const [a, b] = [world.node(), world.node()];
  a.connect(b);
  world.run(100);
  assert.ok(a.sessions.has(b.peer) && b.sessions.has(a.peer), "no session");
  return [a, b];
}
