/**
 * A simulated host with one node: drives the real machine as the daemon's loop does, over a simulated
 * native data path and simulated interfaces.
 *
 * ```text
 *   interface ─▶ Native ──control──▶ ┌─────────────┐ ──transmit────▶ Native ─▶ interface
 *   the heap ────wake───────────────▶ │ NodeMachine │ ──routes, …───▶ Native
 *   the scenario ─take()────────────▶ └─────────────┘ ──the rest────▶ listeners
 * ```
 *
 * What an input causes comes after it, as in the loop. A crash loses the machine and the data path; what
 * stays is the key, the certificate and the facts that the node had kept.
 *
 * @module
 */
import {
  after,
  earlier,
  type Instant,
  type NamedNode,
  type Path,
  type PeerKey,
  type Random,
} from "../base/mod.ts";
import type { EventHeap } from "./heap.ts";
import type { Membership } from "./membership.ts";
import type { Fabric } from "./network.ts";
import { generateKeyPair, type Identity, type KeyPair } from "../crypto/mod.ts";
import { encodeShown, type Grant, type Member } from "../membership/mod.ts";
import { type NodeIn, NodeMachine, type NodeOut } from "../node/mod.ts";
import { silenceOf } from "../path/mod.ts";
import { RELAY_LIMITS } from "../relay/mod.ts";
import type { AcceptedKey } from "../session/mod.ts";
import { asPath } from "../wire/mod.ts";
import { Chance, lotOf, randomOf } from "./chance.ts";
import { type ClockFault, HostClock, TRUE_CLOCK } from "./clock.ts";
import type { InterfaceOwner } from "./interface.ts";
import { type Attachment, Interfaces } from "./interfaces.ts";
import type { LinkQuality } from "./link.ts";
import type { Endpoint } from "./nat.ts";
import { Native, type NativeHost, type TunnelEnd } from "./native.ts";
import type { Origin, Packet } from "./network.ts";

/** The port of every node, unless it is told another. Source: the design. */
export const NODE_PORT = 9_000;
/** How long a host waits for a session. Source: the daemon's reaching. */
const REACH_MS = 10_000;

/** With what a host is made. */
export interface HostOptions {
  readonly name: string;
  readonly attachments: readonly Attachment[];
  readonly port?: number;
  /** Default: what usual members may do. */
  readonly grants?: readonly Grant[];
  /** Whether peers behind a relay may be met directly. Default: yes. */
  readonly direct?: boolean;
  readonly clock?: ClockFault;
  /** Milliseconds after the beginning at which the certificate was issued. Default: 0. */
  readonly issuedMs?: number;
  /** `IP:PORT` that the owner says with `--advertise`. */
  readonly advertise?: readonly string[];
  /** Whether the node serves as a relay. */
  readonly relay?: boolean;
  /** Where it enters the network: the relays that its invite named. */
  readonly entries?: readonly NamedNode[];
  /** `IP:PORT` that its record says, whatever is true. Default: its public addresses. */
  readonly claims?: readonly string[];
}

/** An output of a node, of one type. */
export type Out<T extends NodeOut<Member>["type"]> = Extract<NodeOut<Member>, { type: T }>;

/** What a host needs of the world that it stands in. */
export interface HostPlace {
  readonly seed: number;
  readonly now: Instant;
  readonly events: EventHeap<() => void>;
  readonly fabric: Fabric;
  readonly membership: Membership;
  identityOf(name: string): Identity;
}

/** A host. */
export class Host implements InterfaceOwner, NativeHost {
  readonly name: string;
  readonly origin: Origin;
  readonly identity: Identity;
  readonly certificate: Uint8Array;
  readonly clock: HostClock;
  readonly random: Random;
  readonly port: number;
  machine: NodeMachine<Member>;
  native: Native;
  isUp = true;
  blocksUdp = false;
  readonly #world: HostPlace;
  readonly #options: HostOptions;
  readonly #staticKey: KeyPair;
  readonly #listeners = new Set<(output: NodeOut<Member>) => void>();
  readonly #inputs: NodeIn[] = [];
  readonly #tunnels = new Map<number, TunnelEnd>();
  /** Who waits for a session. */
  readonly #reaching = new Map<number, (reached: boolean) => void>();
  /** What the node had kept, by part and key. */
  readonly #kept = new Map<string, unknown>();
  readonly #interfaces: Interfaces;
  /** How often the node began. */
  #life = 0;
  readonly #beginners: (() => void)[] = [];
  /** For when the next look at the machine is in the heap. */
  #armedAt = Infinity;
  #lastToken = 0;

  constructor(world: HostPlace, options: HostOptions) {
    const { name, grants = ["rent", "provide"], clock = TRUE_CLOCK, issuedMs = 0 } = options;
    const { seed } = world;
    this.#world = world;
    this.#options = options;
    this.name = name;
    this.origin = { name, lot: lotOf(seed, name) };
    this.port = options.port ?? NODE_PORT;
    this.clock = new HostClock(clock);
    this.random = randomOf(seed, `node ${name}`);
    const chance = new Chance(seed, `luck of ${name}`);
    this.#interfaces = new Interfaces(world.fabric, this, { chance, port: this.port });
    this.identity = world.identityOf(name);
    this.#staticKey = generateKeyPair(this.random);
    this.certificate = world.membership.issue(this.identity, grants, issuedMs);
    this.machine = this.#fresh();
    this.native = new Native(this);
    this.#interfaces.attach(options.attachments);
    this.#begin();
  }

  /** The key by which others know this host. */
  get peer(): PeerKey {
    return this.#world.membership.peer(this.identity);
  }

  /** Its own monotonic time. */
  get now(): Instant {
    return this.clock.local(this.#world.now);
  }

  /** Its own wall clock, Unix milliseconds. */
  get wallMs(): number {
    return this.clock.wallMs(this.#world.now);
  }

  /** What it shows of its membership. */
  get shown(): Uint8Array {
    return encodeShown({ certificate: this.certificate, alias: null });
  }

  /** What it accepts: the network's epoch key. */
  get accepted(): AcceptedKey[] {
    return [{ ...this.#world.membership.key, payload: this.shown }];
  }

  /** `IP:PORT` of its interfaces. */
  get addresses(): string[] {
    return this.#interfaces.addresses;
  }

  /** Calls `listener` with everything that comes out of the node. Returns what ends that. */
  listen(listener: (output: NodeOut<Member>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Has `begin` done now, and again whenever the node begins anew. */
  whenBegun(begin: () => void): void {
    this.#beginners.push(begin);
    if (this.isUp) begin();
  }

  /** Has something done in `ms` of its own clock, unless the node ends before. */
  later(ms: number, act: () => void): void {
    const life = this.#life;
    const at = this.clock.world(after(this.now, ms));
    this.#world.events.push(at, this.origin.lot, () => {
      if (this.isUp && this.#life === life) act();
    });
  }

  /** A number for a request of the host's. */
  nextToken(): number {
    return ++this.#lastToken;
  }

  /** Hands an input to the node and does what it says; what that causes comes after it. */
  take(input: NodeIn): void {
    if (!this.isUp) return;
    this.#inputs.push(input);
    if (this.#inputs.length > 1) return; // the turn that runs takes it
    for (let next = this.#inputs[0]; next !== undefined; next = this.#inputs[0]) {
      this.#turn(next);
      this.#inputs.shift();
    }
    this.#arm();
  }

  /** Gets a session with a host; `done` hears whether there is one, unless the node ends before. */
  reach({ peer }: Host, done: (reached: boolean) => void): void {
    const token = this.nextToken();
    this.#reaching.set(token, done);
    this.take({ type: "want", token, peer, timeoutMs: REACH_MS });
  }

  /** The same, at an address that a person names. */
  connect(to: Host, done: (reached: boolean) => void): void {
    const { network: { network } } = this.#world.membership;
    const [address] = to.addresses;
    if (address === undefined) return done(false);
    const token = this.nextToken();
    this.#reaching.set(token, done);
    const node = to.identity.id;
    this.take({ type: "want-address", token, network, node, address, timeoutMs: REACH_MS });
  }

  /** Has the paths to a peer matter that much. */
  use(peer: PeerKey, use: string, demand: "warm" | "busy"): void {
    this.take({ type: "use", peer, use, demand });
  }

  /** Opens a tunnel's end; one that a restart closes is opened again. */
  openTunnel(id: number, end: TunnelEnd): void {
    this.#tunnels.set(id, end);
    this.native.tunnelOpen(id, end);
  }

  /** Sends a frame to the end that the peer knows by `id`, where there is a path. */
  sendTunnel(peer: PeerKey, id: number, frame: Uint8Array): void {
    this.native.sendTunnel(peer, id, frame, this.now);
    this.#arm();
  }

  /** Loses everything but its keys and what it kept, and is gone until `restart`. */
  crash(): void {
    this.isUp = false;
    this.#life++;
    this.#reaching.clear();
  }

  /** Begins anew with the same key. */
  restart(): void {
    this.machine = this.#fresh();
    this.native = new Native(this);
    for (const [id, end] of this.#tunnels) this.native.tunnelOpen(id, end);
    this.isUp = true;
    this.#begin();
    for (const begin of this.#beginners) begin();
  }

  /** The host is somewhere else now; the node hears of it where `notices`. */
  move(attachments: readonly Attachment[], notices = true): void {
    this.#interfaces.attach(attachments);
    if (notices) this.#tellLocal();
  }

  /** Replaces the quality of all its links. */
  setQuality(quality: LinkQuality): void {
    this.#interfaces.setQuality(quality);
  }

  // What the interfaces and the data path ask ------------------------------------------------

  arrived({ from, bytes }: Packet): void {
    this.native.receive(from, bytes, this.now);
  }

  send(to: Endpoint, bytes: Uint8Array, ttl: number): void {
    this.#interfaces.send(to, bytes, ttl);
  }

  control(path: Path, bytes: Uint8Array): void {
    this.take({ type: "datagram", path, bytes });
  }

  verdict(type: "path-doubt" | "path-dead", peer: PeerKey, path: Path): void {
    this.take({ type, peer, path });
  }

  // The loop ---------------------------------------------------------------------------------

  #turn(input: NodeIn): void {
    const out: NodeOut<Member>[] = [];
    this.machine.handle(input, this.now, out);
    for (const output of out) this.#perform(output);
  }

  #perform(output: NodeOut<Member>): void {
    switch (output.type) {
      case "transmit":
        this.native.send(output.path, output.bytes, output.ttl, this.now);
        break;
      case "heard":
        this.native.heard(output.path, this.now);
        break;
      case "receivers":
        this.native.setReceivers(output.add, output.remove);
        break;
      case "routes":
        this.#route(output);
        break;
      case "relay-set":
        this.native.relaySet(output.session, asPath(output.a), asPath(output.b), this.now);
        break;
      case "relay-remove":
        this.native.relayRemove(output.session);
        break;
      case "relay-usage":
        this.take({ type: "relay-used", sessions: this.native.relayStats(this.now) });
        break;
      case "reached":
      case "unreached":
        this.#reached(output.token, output.type === "reached");
        break;
      case "keep":
        this.#kept.set(`${output.part} ${output.key}`, output.value);
        break;
      default:
    }
    for (const listener of [...this.#listeners]) listener(output);
  }

  #reached(token: number, reached: boolean): void {
    const done = this.#reaching.get(token);
    this.#reaching.delete(token);
    done?.(reached);
  }

  #route({ peer, active, standby, accept, patienceMs }: Out<"routes">): void {
    this.native.route(peer, { active, standby, accept, ...silenceOf(patienceMs) });
  }

  /** Has the heap look again when something is due; a look that comes too early changes nothing. */
  #arm(): void {
    const due = earlier(this.machine.wakeup(), this.native.wakeup());
    if (due === undefined) return;
    const at = Math.max(this.clock.world(due.at), this.#world.now) as Instant;
    if (at >= this.#armedAt) return;
    this.#armedAt = at;
    this.#world.events.push(at, this.origin.lot, () => this.#look(at));
  }

  #look(at: Instant): void {
    if (this.#armedAt !== at) return; // an earlier look took its place
    this.#armedAt = Infinity;
    if (!this.isUp) return;
    this.native.wake(this.now);
    const due = this.machine.wakeup();
    if (due !== undefined && due.at <= this.now) this.take({ type: "wake" });
    else this.#arm();
  }

  #begin(): void {
    this.take({ type: "keys", keys: this.accepted });
    if (this.#options.relay) this.take({ type: "relay-serve", limits: RELAY_LIMITS });
    this.#tellLocal();
  }

  #tellLocal(): void {
    const { key, network: { network } } = this.#world.membership;
    const { advertise: advertised = [], entries = [], relay = false, claims } = this.#options;
    const { addresses, prefixes, publicAddresses } = this.#interfaces;
    this.take({ type: "local", local: { addresses, prefixes }, advertised });
    const facts = {
      alias: null,
      roles: relay ? ["relay" as const] : [],
      addresses: claims ?? [...advertised, ...publicAddresses],
      capabilities: {},
    };
    this.take({ type: "network", network, key, payload: this.shown, entries, facts });
  }

  #fresh(): NodeMachine<Member> {
    return new NodeMachine<Member>({
      identity: this.identity,
      staticKey: this.#staticKey,
      random: this.random,
      verifyPeer: this.#world.membership.verifier(() => this.wallMs),
      direct: this.#options.direct ?? true,
      wallMs: () => this.wallMs,
      lastRecordSeq: Number(this.#kept.get("gossip record-seq") ?? 0),
    });
  }
}
