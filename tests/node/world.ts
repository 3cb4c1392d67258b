/**
 * What tests of the whole node say to the simulator: hosts by number, their calls and what came of them.
 * Real keys, real memberships; time is a number that events move on, and nothing waits.
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
import type { Instant, Path, PeerKey, Random } from "../../src/base/mod.ts";
import type { Identity } from "../../src/crypto/mod.ts";
import type { AuthorityNetwork, Grant, Member, RevocationBook } from "../../src/membership/mod.ts";
import {
  type CallName,
  encodeBody,
  type NodeIn,
  type NodeMachine,
  type NodeOut,
  type Question,
} from "../../src/node/mod.ts";
import type { Namer } from "../../src/path/mod.ts";
import type { RpcResult } from "../../src/rpc/mod.ts";
import type { SessionKey } from "../../src/session/mod.ts";
import {
  type Host as SimHost,
  type NatBehaviour,
  type Out,
  PERFECT,
  World as SimWorld,
} from "../../src/sim/mod.ts";
import { asPath, relayedPath } from "../../src/wire/mod.ts";

export { EPOCH_MS, type Out } from "../../src/sim/mod.ts";

/** What the network does to a datagram. */
export interface Weather {
  loss: number;
  duplication: number;
  delayMs: { min: number; max: number };
}

/** How a NAT maps; all let in only what was sent to before. */
export type NatKind = "endpoint-independent" | "symmetric";

const NATS: Readonly<Record<NatKind, Partial<NatBehaviour>>> = {
  "endpoint-independent": { mapping: "endpoint-independent" },
  symmetric: { mapping: "address-and-port-dependent", allocation: "random" },
};

/** Things that happen in one run of a test, at most. */
const EVENTS_MAX = 500_000;

/** Answers a request; the body of a refusal where `ok` is false. */
export type Answerer = (
  request: Out<"request">,
) => { readonly ok: boolean; readonly body: object } | undefined;

/** A node and all that came out of it. */
export class Host {
  said: NodeOut<Member>[] = [];
  onRequest: Answerer = () => undefined;

  constructor(readonly world: World, readonly sim: SimHost) {
    sim.listen((output) => {
      this.said.push(output);
      if (output.type === "request") this.#answer(output);
    });
  }

  get machine(): NodeMachine<Member> {
    return this.sim.machine;
  }

  get identity(): Identity {
    return this.sim.identity;
  }

  get certificate(): Uint8Array {
    return this.sim.certificate;
  }

  /** The address of its interface. */
  get local(): Path {
    return asPath(this.sim.addresses[0] ?? "");
  }

  /** The key by which others know this host. */
  get peer(): PeerKey {
    return this.sim.peer;
  }

  get shown(): Uint8Array {
    return this.sim.shown;
  }

  get isUp(): boolean {
    return this.sim.isUp;
  }

  set isUp(isUp: boolean) {
    this.sim.isUp = isUp;
  }

  take(input: NodeIn): void {
    this.sim.take(input);
  }

  /** The node was killed and begins anew with the same key. */
  restart(): void {
    this.sim.restart();
  }

  heard<T extends NodeOut<Member>["type"]>(type: T): Out<T>[] {
    return this.said.filter((output): output is Out<T> => output.type === type);
  }

  /** Begins a session; returns the token. */
  connect(
    to: Host,
    path = to.local,
    key: SessionKey = this.world.key,
    named: Namer = "person",
  ): number {
    const token = this.sim.nextToken();
    const { shown: payload } = this;
    this.take({ type: "connect", token, peer: to.identity.id, path, named, key, payload });
    return token;
  }

  call<N extends CallName>(to: Host, name: N, question: Question<N>, timeoutMs = 10_000): number {
    const token = this.sim.nextToken();
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

  path(to: Host): Path | null {
    return this.machine.view.activePath(to.peer);
  }

  /** Datagrams that left for an address, by their time to live. */
  sentTo(address: string, ttl?: number): number {
    return this.heard("transmit").filter((sent) => {
      return sent.path === address && (ttl === undefined || sent.ttl === ttl);
    }).length;
  }

  #answer(request: Out<"request">): void {
    const answer = this.onRequest(request);
    if (answer === undefined) return;
    const { peer, kind, call } = request;
    this.take({ type: "answer", peer, kind, call, ok: answer.ok, body: encodeBody(answer.body) });
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

/** The network, its clock and its hosts. */
export class World {
  readonly sim: SimWorld;
  readonly random: Random;
  readonly hosts: Host[] = [];

  constructor(seed = 1) {
    this.sim = new SimWorld(seed);
    this.random = this.sim.random("test");
  }

  get now(): Instant {
    return this.sim.now;
  }

  get network(): AuthorityNetwork {
    return this.sim.membership.network;
  }

  get authority(): Identity {
    return this.sim.membership.authority;
  }

  get revocations(): RevocationBook {
    return this.sim.membership.revocations;
  }

  get key(): SessionKey {
    return this.sim.membership.key;
  }

  set weather({ loss, duplication, delayMs: { min, max } }: Weather) {
    const { internet } = this.sim;
    internet.quality = { ...PERFECT, loss, duplication, delayMs: min, jitterMs: max - min };
  }

  /** A member at 203.0.113.N, or behind a NAT there. */
  host({ nat, ...options }: HostOptions = {}): Host {
    const n = this.hosts.length + 1;
    const at = nat === undefined
      ? { realm: this.sim.internet, ip: `203.0.113.${n}` }
      : { realm: this.#home(n, nat), ip: `192.168.${n}.2` };
    const host = new Host(
      this,
      this.sim.host({ name: `host ${n}`, attachments: [at], ...options }),
    );
    this.hosts.push(host);
    return host;
  }

  /** Two hosts behind NATs with sessions to a relay and, through it, to each other. */
  relayedPair(
    nats: readonly [NatKind, NatKind],
    options: HostOptions = {},
  ): { relay: Host; a: Host; b: Host; path: Path } {
    const relay = this.host({ grants: ["relay"] });
    const [a, b] = nats.map((nat, i) => this.host({ ...i === 0 ? options : {}, nat })) as [
      Host,
      Host,
    ];
    a.connect(relay);
    b.connect(relay);
    this.run(200);
    const path = this.join(relay, a, b);
    a.connect(b, path);
    this.run(100);
    assert.ok(a.path(b) !== null && b.path(a) !== null, "no relayed session");
    return { relay, a, b, path };
  }

  /** Makes a relay join two of its members; returns their path. Each learns where the other is. */
  join(relay: Host, a: Host, b: Host, session = 7): Path {
    const [atA, atB] = [relay.path(a), relay.path(b)];
    assert.ok(atA !== null && atB !== null, "not registered at the relay");
    relay.sim.native.relaySet(session, atA, atB, this.now);
    relay.call(a, "relay.offer", { session, peer: b.identity.id, address: atB });
    relay.call(b, "relay.offer", { session, peer: a.identity.id, address: atA });
    return relayedPath(relay.local, session);
  }

  /** Delivers bytes as if they came from an address. */
  inject(to: Host, path: string, bytes: Uint8Array): void {
    to.take({ type: "datagram", path: asPath(path), bytes });
  }

  /** Runs datagrams and timers for so long, in order. */
  run(forMs: number): void {
    this.sim.run(forMs, EVENTS_MAX);
  }

  #home(n: number, nat: NatKind) {
    const { internet } = this.sim;
    const home = this.sim.realm({ name: `home ${n}`, quality: PERFECT, hops: 0 });
    const [inside, outside, ip] = [home, internet, `203.0.113.${n}`];
    this.sim.nat({ name: `nat ${n}`, behaviour: NATS[nat], inside, outside, ip });
    return home;
  }
}

/** Two hosts with a direct session that the first began. */
export function connected(world: World): [Host, Host] {
  const [a, b] = [world.host(), world.host()];
  const token = a.connect(b);
  world.run(200);
  assert.deepEqual(a.heard("connected").map((c) => c.token), [token]);
  assert.ok(a.machine.view.isConnected(b.peer) && b.machine.view.isConnected(a.peer));
  return [a, b];
}
