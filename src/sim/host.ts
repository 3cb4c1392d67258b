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
import { after, earlier, type Instant, type Path, type PeerKey, type Random } from "../base/mod.ts";
import { generateKeyPair, type Identity, identityFromSeed, type KeyPair } from "../crypto/mod.ts";
import { encodeShown, type Grant, type Member } from "../membership/mod.ts";
import { type NodeIn, NodeMachine, type NodeOut } from "../node/mod.ts";
import type { AcceptedKey } from "../session/mod.ts";
import { asPath, formatAddress, prefixOf } from "../wire/mod.ts";
import { bytesOf, Chance, lotOf, randomOf } from "./chance.ts";
import { type ClockFault, HostClock, TRUE_CLOCK } from "./clock.ts";
import { Interface, type InterfaceOwner } from "./interface.ts";
import { type LinkQuality, PERFECT } from "./link.ts";
import type { Endpoint, NatDependence } from "./nat.ts";
import { Native, type NativeHost, type TunnelEnd } from "./native.ts";
import type { Origin, Packet } from "./network.ts";
import type { Realm } from "./realm.ts";
import type { World } from "./world.ts";

/** The port of every node, unless it is told another. Source: the design. */
export const NODE_PORT = 9_000;
/**
 * Silence after which a path is doubted, and dead, in waits for an answer on it. Source: the daemon's
 * loop, whose constants these are.
 */
const DOUBT_WAITS = 0.5;
const DEAD_WAITS = 3.75;

/** A host says nothing of itself. */
const NO_FACTS = { alias: null, roles: [], addresses: [], capabilities: {} };

/** An address of a host. */
export interface Attachment {
  readonly realm: Realm;
  readonly ip: string;
  /** Default: a link without faults. */
  readonly quality?: LinkQuality;
  /** Default: none. */
  readonly firewall?: NatDependence | null;
}

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
}

/** An output of a node, of one type. */
export type Out<T extends NodeOut<Member>["type"]> = Extract<NodeOut<Member>, { type: T }>;

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
  readonly #world: World;
  readonly #options: HostOptions;
  readonly #staticKey: KeyPair;
  readonly #chance: Chance;
  readonly #listeners = new Set<(output: NodeOut<Member>) => void>();
  readonly #inputs: NodeIn[] = [];
  readonly #tunnels = new Map<number, TunnelEnd>();
  /** Who waits for a session. */
  readonly #reaching = new Map<number, (reached: boolean) => void>();
  /** What the node had kept, by part and key. */
  readonly #kept = new Map<string, unknown>();
  #interfaces: Interface[] = [];
  /** How often the node began. */
  #life = 0;
  readonly #beginners: (() => void)[] = [];
  /** For when the next look at the machine is in the heap. */
  #armedAt = Infinity;
  #lastToken = 0;

  constructor(world: World, options: HostOptions) {
    const { name, grants = ["rent", "provide"], clock = TRUE_CLOCK, issuedMs = 0 } = options;
    const { seed } = world;
    this.#world = world;
    this.#options = options;
    this.name = name;
    this.origin = { name, lot: lotOf(seed, name) };
    this.port = options.port ?? NODE_PORT;
    this.clock = new HostClock(clock);
    this.random = randomOf(seed, `node ${name}`);
    this.#chance = new Chance(seed, `luck of ${name}`);
    this.identity = identityFromSeed(bytesOf(seed, `identity ${name}`));
    this.#staticKey = generateKeyPair(this.random);
    this.certificate = world.membership.issue(this.identity, grants, issuedMs);
    this.machine = this.#fresh();
    this.native = new Native(this);
    this.#attach(options.attachments);
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
    return this.#interfaces.map(({ ip }) => formatAddress({ ip, port: this.port }));
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
  reach(to: Host, done: (reached: boolean) => void): void {
    const { key } = this.#world.membership;
    const [path] = to.addresses;
    if (path === undefined) return done(false);
    const token = this.nextToken();
    this.#reaching.set(token, done);
    const peer = to.identity.id;
    const shown = { key, payload: this.shown };
    this.take({ type: "connect", token, peer, path: asPath(path), named: "person", ...shown });
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
    for (const { realm, ip } of this.#interfaces) realm.detach(ip);
    this.#attach(attachments);
    if (notices) this.#tellLocal();
  }

  /** Replaces the quality of all its links. */
  setQuality(quality: LinkQuality): void {
    for (const each of this.#interfaces) each.quality = quality;
  }

  // What the interfaces and the data path ask ------------------------------------------------

  arrived({ from, bytes }: Packet): void {
    this.native.receive(from, bytes, this.now);
  }

  send(to: Endpoint, bytes: Uint8Array, ttl: number): void {
    const from = this.#interfaceTo(to);
    if (from === undefined) return this.#world.fabric.drops.count("no-route");
    from.send({ to, port: this.port, bytes, ttl });
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
      case "connected":
      case "connect-failed":
        this.#reached(output.token, output.type === "connected");
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
    const doubtMs = DOUBT_WAITS * patienceMs;
    const deadMs = DEAD_WAITS * patienceMs;
    this.native.route(peer, { active, standby, accept, doubtMs, deadMs });
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
    const { key, network: { network } } = this.#world.membership;
    this.take({ type: "keys", keys: this.accepted });
    this.take({ type: "network", network, key, payload: this.shown, entries: [], facts: NO_FACTS });
    this.#tellLocal();
  }

  #tellLocal(): void {
    const { addresses } = this;
    const prefixes = [...new Set(this.#interfaces.map(({ ip }) => prefixOf(ip)))];
    const { advertise: advertised = [] } = this.#options;
    this.take({ type: "local", local: { addresses, prefixes }, advertised });
  }

  #attach(attachments: readonly Attachment[]): void {
    const { fabric } = this.#world;
    this.#interfaces = attachments.map(({ realm, ip, quality = PERFECT, firewall = null }) =>
      new Interface(fabric, this, { realm, ip, quality, firewall, chance: this.#chance })
    );
  }

  /** As the system routes: who has the address beside us, else the first that leads outwards. */
  #interfaceTo({ ip }: Endpoint): Interface | undefined {
    const isV6 = ip.includes(":");
    const family = this.#interfaces.filter((each) => each.isV6 === isV6);
    return family.find(({ realm }) => realm.has(ip)) ??
      family.find(({ realm }) => realm.gateway !== null) ?? family[0];
  }

  #fresh(): NodeMachine<Member> {
    return new NodeMachine<Member>({
      identity: this.identity,
      staticKey: this.#staticKey,
      random: this.random,
      verifyPeer: this.#world.membership.verifier(() => this.wallMs),
      direct: this.#options.direct ?? true,
      wallMs: () => this.clock.wallMs(this.#world.now),
    });
  }
}
