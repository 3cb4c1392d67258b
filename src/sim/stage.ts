/**
 * Builds the world of a plan, and does what its script says.
 *
 * @module
 */
import { type NamedNode, unreachable } from "../base/mod.ts";
import { formatAddress } from "../wire/mod.ts";
import { type Host, NODE_PORT } from "./host.ts";
import type { Attachment } from "./interfaces.ts";
import { Lending } from "./lending.ts";
import { type LinkQuality, PERFECT } from "./link.ts";
import { AddressMeter, PairMeter, TunnelMeter } from "./meters.ts";
import type { NatBox } from "./nat_box.ts";
import type { Realm } from "./realm.ts";
import type { Action, HostPlan, PlacePlan, Plan } from "./scenario.ts";
import { World } from "./world.ts";

/** How long the way across a LAN takes. Guess: half of what is usual between two machines by cable. */
const LAN: Partial<LinkQuality> = { delayMs: 0.1 };

/** A world with a scenario's hosts in it, and what is measured there. */
export class Stage {
  readonly world: World;
  readonly pairs: PairMeter[] = [];
  readonly tunnels: TunnelMeter[] = [];
  readonly addresses: AddressMeter;
  readonly lending: Lending;
  readonly #realms = new Map<string, Realm>();
  readonly #nats = new Map<string, NatBox>();

  constructor(readonly plan: Plan, seed: number) {
    this.world = new World(seed);
    this.lending = new Lending(this.world);
    const watched = plan.expect.flatMap((each) => each.name === "sent-to" ? [each.ip] : []);
    this.addresses = new AddressMeter(watched);
    this.#build();
    for (const { atMs, act } of plan.script) this.world.later(atMs, () => this.#act(act));
  }

  /** The host of that name. @throws {RangeError} Where there is none. */
  host(name: string): Host {
    return found(this.world.hosts, name);
  }

  /** All relays. */
  relays(): readonly Host[] {
    return this.plan.hosts.flatMap(({ name, relay }) => relay ? [this.host(name)] : []);
  }

  #build(): void {
    const { internet = {}, realms = [], nats = [], hosts } = this.plan;
    const { world } = this;
    world.internet.quality = { ...world.internet.quality, ...internet };
    this.#realms.set("internet", world.internet);
    for (const { name, quality = LAN, hops = 0 } of realms) {
      this.#realms.set(name, world.realm({ name, hops, quality: { ...PERFECT, ...quality } }));
    }
    for (const { inside, outside = "internet", quality = {}, ...nat } of nats) {
      const sides = { inside: found(this.#realms, inside), outside: found(this.#realms, outside) };
      const link = { ...PERFECT, ...quality };
      this.#nats.set(nat.name, world.nat({ ...nat, ...sides, quality: link }));
    }
    for (const host of hosts) world.later(host.fromMs ?? 0, () => this.#add(host));
  }

  #add({ places, relay = false, entries = [], lends, rents, ...plan }: HostPlan): void {
    const grants = relay ? { grants: plan.grants ?? ["relay"] as const } : {};
    const attachments = this.#attachments(places);
    const entered = entries.map((name) => this.#entry(name));
    const options = { ...plan, ...grants, relay, entries: entered, attachments };
    const host = this.world.host(options);
    this.addresses.watch(host);
    if (lends !== undefined) this.lending.lend(host, lends);
    if (rents) this.lending.rent(host);
  }

  /** A host as an invite names it, whether it is there already or not. */
  #entry(name: string): NamedNode {
    const plan = this.plan.hosts.find((each) => each.name === name);
    if (plan === undefined) throw new RangeError(`Cannot enter at ${name}: there is no such host`);
    const addresses = plan.places.map(({ ip }) => formatAddress({ ip, port: NODE_PORT }));
    return { id: this.world.identityOf(name).id, addresses };
  }

  #attachments(places: readonly PlacePlan[]): Attachment[] {
    return places.map(({ realm = "internet", ip, quality = {}, firewall = null }) => {
      return {
        realm: found(this.#realms, realm),
        ip,
        quality: { ...PERFECT, ...quality },
        firewall,
      };
    });
  }

  #act(action: Action): void {
    switch (action.type) {
      case "reach":
      case "connect":
        return this.#join(action);
      case "tunnel":
        return this.#tunnel(action);
      case "rent":
        found(this.lending.renters, action.from).request(action.wanted, action.key);
        return;
      case "reboot-nat":
        return found(this.#nats, action.nat).reboot(action.ip);
      case "crash":
        return this.lending.crash(this.host(action.host));
      case "restart":
        return this.host(action.host).restart();
      case "partition":
        return this.world.fabric.partition(action.groups);
      case "move":
        return this.host(action.host).move(this.#attachments(action.places), action.notices);
      case "quality":
        return this.host(action.host).setQuality({ ...PERFECT, ...action.quality });
      case "nat-quality":
        return found(this.#nats, action.nat).setQuality({ ...PERFECT, ...action.quality });
      case "block-udp":
        this.host(action.host).blocksUdp = action.blocked;
        return;
      default:
        unreachable(action);
    }
  }

  #join(action: Extract<Action, { type: "reach" | "connect" }>): void {
    const [from, to] = [this.host(action.from), this.host(action.to)];
    const label = action.type === "reach" ? action.as ?? null : null;
    this.pairs.push(new PairMeter(this.world, from, to, label));
    if (action.type === "reach") from.reach(to, () => {});
    else from.connect(to, () => {});
  }

  #tunnel({ from, to, everyMs }: Extract<Action, { type: "tunnel" }>): void {
    const [a, b] = [this.host(from), this.host(to)];
    a.use(b.peer, `tunnel to ${to}`, "busy");
    b.use(a.peer, `tunnel to ${from}`, "busy");
    this.tunnels.push(new TunnelMeter(this.world, a, b, everyMs));
  }
}

function found<T>(things: ReadonlyMap<string, T>, name: string): T {
  const thing = things.get(name);
  if (thing === undefined) throw new RangeError(`Cannot play a plan: it has no ${name}`);
  return thing;
}
