/**
 * Whole nodes on a simulated network: real keys, real memberships, NATs, a relay's hop, weather. Time
 * is a number that events move on; nothing waits.
 *
 * ```text
 *   host ─ NAT ─┐                        a path `ADDR` is a datagram to ADDR;
 *               ├─ internet ─ relay      a path `ADDR#SESSION` goes to the relay at ADDR, which knows
 *   host ─ NAT ─┘                        of SESSION the two addresses that it joins
 * ```
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  after,
  type Instant,
  type Path,
  type PeerKey,
  peerKey,
  type Random,
  seededRandom,
} from "../../src/base/mod.ts";
import {
  generateIdentity,
  generateKeyPair,
  type Identity,
  identityFromSeed,
} from "../../src/crypto/mod.ts";
import {
  type AuthorityNetwork,
  createNetwork,
  encodeShown,
  epochSecrets,
  type Grant,
  issueCertificate,
  type Member,
  peerVerifier,
  RevocationBook,
} from "../../src/membership/mod.ts";
import {
  type CallName,
  encodeBody,
  type NodeIn,
  NodeMachine,
  type NodeOut,
  type Question,
} from "../../src/node/mod.ts";
import type { Namer } from "../../src/path/mod.ts";
import type { AcceptedKey, SessionKey } from "../../src/session/mod.ts";
import type { RpcResult } from "../../src/rpc/mod.ts";
import { asPath, formatAddress, pathParts, relayedPath } from "../../src/wire/mod.ts";

export type Out<T extends NodeOut<Member>["type"]> = Extract<NodeOut<Member>, { type: T }>;

/** A Friday in 2026, Unix milliseconds at the beginning of the simulated time. */
export const EPOCH_MS = 1_795_132_800_000;

/** What the network does to a datagram. */
export interface Weather {
  loss: number;
  duplication: number;
  delayMs: { min: number; max: number };
}

/** How a NAT maps; all let in only what was sent to before. */
export type NatKind = "endpoint-independent" | "symmetric";

/** One host's NAT. */
export class Nat {
  /** Public address by what it is for. */
  readonly #mappings = new Map<string, string>();
  readonly #sentTo = new Map<string, Set<string>>();
  #port = 40_000;

  constructor(readonly ip: string, readonly kind: NatKind) {}

  /** The public source of a datagram to `to`. */
  out(to: string): string {
    const key = this.kind === "symmetric" ? to : "";
    const mapped = this.#mappings.get(key) ?? `${this.ip}:${this.#port++}`;
    this.#mappings.set(key, mapped);
    this.#sentTo.set(mapped, (this.#sentTo.get(mapped) ?? new Set()).add(to));
    return mapped;
  }

  /** Whether a datagram from `from` to a public address comes through. */
  lets(from: string, to: string): boolean {
    return this.#sentTo.get(to)?.has(from) ?? false;
  }
}

/** Answers a request; the body of a refusal where `ok` is false. */
export type Answerer = (
  request: Out<"request">,
) => { readonly ok: boolean; readonly body: object } | undefined;

/** A node and all that came out of it. */
export class Host {
  machine: NodeMachine<Member>;
  said: NodeOut<Member>[] = [];
  onRequest: Answerer = () => undefined;
  /** As a relay: the two ends of each session. */
  readonly relayed = new Map<number, readonly [string, string]>();
  isUp = true;
  #nextToken = 1;

  constructor(
    readonly world: World,
    readonly local: Path,
    readonly identity: Identity,
    readonly certificate: Uint8Array,
    readonly nat: Nat | null,
    readonly direct: boolean,
  ) {
    this.machine = this.#fresh();
  }

  /** The key by which others know this host. */
  get peer(): PeerKey {
    return peerKey(this.world.network.network, this.identity.id);
  }

  get shown(): Uint8Array {
    return encodeShown({ certificate: this.certificate, alias: null });
  }

  take(input: NodeIn): void {
    if (!this.isUp) return;
    const out: NodeOut<Member>[] = [];
    this.machine.handle(input, this.world.now, out);
    for (const output of out) this.#perform(output);
  }

  /** The node was killed and begins anew with the same key. */
  restart(): void {
    this.machine = this.#fresh();
    this.take({ type: "keys", keys: this.world.accepted(this) });
  }

  heard<T extends NodeOut<Member>["type"]>(type: T): Out<T>[] {
    return this.said.filter((output): output is Out<T> => output.type === type);
  }

  /** Begins a session; returns the token. */
  connect(
    to: Host,
    path: Path = to.local,
    key: SessionKey = this.world.key,
    named: Namer = "person",
  ): number {
    const token = this.#nextToken++;
    const { shown: payload } = this;
    this.take({
      type: "connect",
      token,
      peer: to.identity.id,
      path: asPath(path),
      named,
      key,
      payload,
    });
    return token;
  }

  call<N extends CallName>(to: Host, name: N, question: Question<N>, timeoutMs = 10_000): number {
    const token = this.#nextToken++;
    const body = encodeBody(question);
    this.take({ type: "call", token, peer: to.peer, kind: "epoch", name, body, timeoutMs });
    return token;
  }

  /** The end of a call, once it has come. */
  result(token: number): RpcResult | undefined {
    const ends = this.heard("called").filter((called) => called.token === token);
    assert.ok(ends.length <= 1, "a call ended twice");
    return ends[0]?.result;
  }

  path(to: Host): string | null {
    return this.machine.activePath(to.peer);
  }

  /** Datagrams that left for an address, by their time to live. */
  sentTo(address: string, ttl?: number): number {
    return this.heard("transmit").filter((sent) => {
      return sent.path === address && (ttl === undefined || sent.ttl === ttl);
    }).length;
  }

  #perform(output: NodeOut<Member>): void {
    this.said.push(output);
    if (output.type === "transmit") this.world.send(this, output);
    if (output.type !== "request") return;
    const answer = this.onRequest(output);
    if (answer === undefined) return;
    const { peer, kind, call } = output;
    const body = encodeBody(answer.body);
    this.take({ type: "answer", peer, kind, call, ok: answer.ok, body });
  }

  #fresh(): NodeMachine<Member> {
    const { random } = this.world;
    return new NodeMachine<Member>({
      identity: this.identity,
      staticKey: generateKeyPair(random),
      random,
      verifyPeer: this.world.verifyPeer,
      direct: this.direct,
    });
  }
}

/** With what a host is made. */
export interface HostOptions {
  readonly grants?: readonly Grant[];
  readonly nat?: NatKind;
  /** Whether peers behind a relay may be met directly. */
  readonly direct?: boolean;
  /** Milliseconds after `EPOCH_MS` at which the certificate was issued. */
  readonly issuedMs?: number;
}

interface Packet {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
  /** Of a relayed frame; towards the relay or from it. */
  readonly relayed?: { readonly session: number; readonly isForwarded: boolean };
}

interface Event {
  readonly at: Instant;
  readonly order: number;
  readonly act: () => void;
}

/** The network, its clock and its hosts. */
export class World {
  now = 0 as Instant;
  readonly random: Random;
  readonly network: AuthorityNetwork;
  readonly authority: Identity;
  readonly revocations: RevocationBook;
  readonly key: SessionKey;
  weather: Weather = { loss: 0, duplication: 0, delayMs: { min: 10, max: 10 } };
  /** Whether a packet passes. */
  filter: (packet: Packet) => boolean = () => true;
  readonly hosts: Host[] = [];
  #events: Event[] = [];
  #order = 0;

  constructor(seed = 1) {
    this.random = seededRandom(seed);
    this.network = createNetwork({ name: "home", random: this.random });
    this.authority = identityFromSeed(this.network.authoritySeed);
    this.revocations = new RevocationBook(this.network.network);
    this.key = this.#keyOf(this.network);
  }

  get verifyPeer() {
    return peerVerifier({
      revocationsOf: (network) =>
        network === this.network.network ? this.revocations.isRevoked : undefined,
      nowMs: () => EPOCH_MS + this.now,
    });
  }

  /** A member at 203.0.113.N, or behind a NAT there. */
  host({ grants = ["rent", "provide"], nat, direct = true, issuedMs = 0 }: HostOptions = {}): Host {
    const n = this.hosts.length + 1;
    const identity = generateIdentity(this.random).identity;
    const certificate = issueCertificate({
      issuer: this.authority,
      network: this.network.network,
      subject: identity.id,
      grants,
      epoch: 1,
      nowMs: EPOCH_MS + issuedMs,
    });
    const local = nat === undefined ? `203.0.113.${n}:9000` : `192.168.${n}.2:9000`;
    const behind = nat === undefined ? null : new Nat(`203.0.113.${n}`, nat);
    const host = new Host(this, asPath(local), identity, certificate, behind, direct);
    this.hosts.push(host);
    host.take({ type: "keys", keys: this.accepted(host) });
    const prefixes = [local.replace(/\.\d+:.*$/, ".0/24")];
    host.take({ type: "local", local: { addresses: [local], prefixes }, advertised: [] });
    return host;
  }

  /** What a host accepts: the network's epoch key. */
  accepted(host: Host): AcceptedKey[] {
    return [{ ...this.key, payload: host.shown }];
  }

  /** Two hosts behind NATs with sessions to a relay and, through it, to each other. */
  relayedPair(
    nats: readonly [NatKind, NatKind],
    options: HostOptions = {},
  ): { relay: Host; a: Host; b: Host; path: string } {
    const relay = this.host({ grants: ["relay"] });
    const [a, b] = nats.map((nat, i) => this.host({ ...i === 0 ? options : {}, nat })) as [
      Host,
      Host,
    ];
    a.connect(relay);
    b.connect(relay);
    this.run(200);
    const path = this.join(relay, a, b);
    a.connect(b, asPath(path));
    this.run(100);
    assert.ok(a.path(b) !== null && b.path(a) !== null, "no relayed session");
    return { relay, a, b, path };
  }

  /** Makes a relay join two of its members; returns their path. Each learns where the other is. */
  join(relay: Host, a: Host, b: Host, session = 7): Path {
    const [atA, atB] = [relay.path(a), relay.path(b)];
    assert.ok(atA !== null && atB !== null, "not registered at the relay");
    relay.relayed.set(session, [atA, atB]);
    a.take({ type: "vouch", peer: b.peer, address: atB });
    b.take({ type: "vouch", peer: a.peer, address: atA });
    return relayedPath(relay.local, session);
  }

  send(from: Host, { path, bytes, ttl }: Out<"transmit">): void {
    const parts = pathParts(path);
    assert.ok(parts, `a datagram to ${path}`);
    const to = formatAddress(parts.address);
    const session = parts.via === "relay" ? parts.session : undefined;
    const source = from.nat?.out(to) ?? from.local;
    if (ttl > 0 && ttl <= 2) return; // it dies before the peer's NAT
    const relayed = session === undefined ? {} : { relayed: { session, isForwarded: false } };
    this.#fly({ from: source, to, bytes, ...relayed });
  }

  /** Delivers bytes as if they came from an address. */
  inject(to: Host, path: string, bytes: Uint8Array): void {
    to.take({ type: "datagram", path: asPath(path), bytes });
  }

  /** Runs datagrams and timers for so long, in order. */
  run(forMs: number): void {
    const end = after(this.now, forMs);
    for (let steps = 0;; steps++) {
      assert.ok(steps < 500_000, "the world does not come to rest");
      const next = this.#next();
      if (next === undefined || next.at > end) break;
      this.now = next.at;
      next.act();
    }
    this.now = end;
  }

  #keyOf({ network, epochs }: AuthorityNetwork): SessionKey {
    const [epoch] = epochs;
    assert.ok(epoch);
    return { ...epochSecrets(network, epoch), network, kind: "epoch" };
  }

  #fly(packet: Packet): void {
    this.#flyOnce(packet);
    if (this.#chance() < this.weather.duplication) this.#flyOnce(packet);
  }

  #flyOnce(packet: Packet): void {
    if (this.#chance() < this.weather.loss) return;
    const { min, max } = this.weather.delayMs;
    const at = after(this.now, min + this.#chance() * (max - min));
    this.#events.push({ at, order: this.#order++, act: () => this.#arrive(packet) });
  }

  #arrive(packet: Packet): void {
    if (!this.filter(packet)) return;
    const host = this.hosts.find((host) => this.#isAt(host, packet));
    if (host === undefined || !host.isUp) return;
    const { from, relayed, bytes } = packet;
    if (relayed === undefined) return host.take({ type: "datagram", path: asPath(from), bytes });
    if (!relayed.isForwarded) return this.#forward(host, packet);
    const path = relayedPath(asPath(from), relayed.session);
    host.take({ type: "datagram", path, bytes });
  }

  #forward(relay: Host, { from, bytes, relayed }: Packet): void {
    const session = relayed?.session ?? 0;
    const ends = relay.relayed.get(session);
    if (ends === undefined || !ends.includes(from)) return;
    const to = ends[0] === from ? ends[1] : ends[0];
    this.#fly({ from: relay.local, to, bytes, relayed: { session, isForwarded: true } });
  }

  #isAt(host: Host, { from, to }: Packet): boolean {
    return host.nat === null ? host.local === to : host.nat.lets(from, to);
  }

  #next(): { at: Instant; act: () => void } | undefined {
    const [first] = this.#events.toSorted((x, y) => x.at - y.at || x.order - y.order);
    const timer = this.#timer();
    if (first === undefined || (timer !== undefined && timer.at < first.at)) return timer;
    const act = () => {
      this.#events = this.#events.filter((event) => event !== first);
      first.act();
    };
    return { at: first.at, act };
  }

  #timer(): { at: Instant; act: () => void } | undefined {
    const timers = this.hosts.filter(({ isUp }) => isUp).flatMap((host) => {
      const wakeup = host.machine.wakeup();
      if (wakeup === undefined) return [];
      const at = Math.max(wakeup.at, this.now) as Instant;
      return [{ at, act: () => host.take({ type: "wake" }) }];
    });
    return timers.toSorted((x, y) => x.at - y.at)[0];
  }

  #chance(): number {
    const [high = 0, low = 0] = this.random.bytes(2);
    return (high * 256 + low) / 65_536;
  }
}

/** Two hosts with a direct session that the first began. */
export function connected(world: World): [Host, Host] {
  const [a, b] = [world.host(), world.host()];
  const token = a.connect(b);
  world.run(200);
  assert.deepEqual(a.heard("connected").map((c) => c.token), [token]);
  assert.ok(a.machine.isConnected(b.peer) && b.machine.isConnected(a.peer));
  return [a, b];
}
