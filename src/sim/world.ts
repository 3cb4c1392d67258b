/**
 * The simulated world: its clock, what is to happen, its networks and its hosts.
 *
 * ```text
 *   run(ms) ─▶ the earliest event ─▶ a datagram arrives, a machine wakes, the scenario acts ─▶ …
 * ```
 *
 * Time is a number that events move on; nothing waits. The same seed and the same names give the same
 * run, in whatever order hosts are put in.
 *
 * @module
 */
import { after, type Instant, type Random } from "../base/mod.ts";
import { type Identity, identityFromSeed } from "../crypto/mod.ts";
import { bytesOf, Chance, randomOf } from "./chance.ts";
import { EventHeap } from "./heap.ts";
import { Host, type HostOptions } from "./host.ts";
import { type LinkQuality, PERFECT } from "./link.ts";
import { Membership } from "./membership.ts";
import { HOME_NAT, Nat, type NatBehaviour } from "./nat.ts";
import { NatBox } from "./nat_box.ts";
import { Fabric } from "./network.ts";
import { Realm, type RealmOptions } from "./realm.ts";

/** Routers between two places of the internet. Guess: less than is usual, more than openers reach. */
const INTERNET_HOPS = 8;
/** How long the way between two places of the internet takes, unless a scenario says otherwise. Guess. */
const INTERNET: LinkQuality = { ...PERFECT, delayMs: 10 };

/** How a NAT is put into the world. */
export interface NatOptions {
  readonly name: string;
  /** Default: `HOME_NAT`. */
  readonly behaviour?: Partial<NatBehaviour>;
  readonly inside: Realm;
  readonly outside: Realm;
  readonly ip: string;
  /** Its link outwards. Default: a link without faults. */
  readonly quality?: LinkQuality;
}

/** A world. */
export class World {
  now = 0 as Instant;
  readonly events: EventHeap<() => void> = new EventHeap();
  readonly fabric: Fabric;
  readonly internet: Realm;
  readonly membership: Membership;
  readonly hosts = new Map<string, Host>();
  /** What has happened so far. */
  handled = 0;

  constructor(readonly seed: number) {
    this.fabric = new Fabric(this);
    this.membership = new Membership(seed);
    this.internet = this.realm({ name: "internet", quality: INTERNET, hops: INTERNET_HOPS });
  }

  /** A source of randomness for what bears that name. */
  random(name: string): Random {
    return randomOf(this.seed, name);
  }

  /** The identity of the host of that name, whether it is there or not. */
  identityOf(name: string): Identity {
    return identityFromSeed(bytesOf(this.seed, `identity ${name}`));
  }

  /** A place in which addresses mean something. */
  realm(options: RealmOptions): Realm {
    return new Realm(this.fabric, options);
  }

  /** A NAT between two realms. */
  nat(options: NatOptions): NatBox {
    const { name, behaviour = {}, quality = PERFECT } = options;
    const chance = new Chance(this.seed, `luck of ${name}`);
    const nat = new Nat({ ...HOME_NAT, ...behaviour }, chance);
    return new NatBox(this.fabric, nat, { ...options, quality, chance });
  }

  /** A host with a node. @throws {RangeError} Where its name is taken. */
  host(options: HostOptions): Host {
    if (this.hosts.has(options.name)) {
      throw new RangeError(`Cannot add a host: ${options.name} is there`);
    }
    const host = new Host(this, options);
    this.hosts.set(options.name, host);
    return host;
  }

  /** Has something done in `ms`, before what else happens at that instant. */
  later(ms: number, act: () => void): void {
    this.events.push(after(this.now, ms), 0, act);
  }

  /** Lets `forMs` pass. @throws {RangeError} Where more than `eventsMax` things happen meanwhile. */
  run(forMs: number, eventsMax = Infinity): void {
    const end = after(this.now, forMs);
    const handledMax = this.handled + eventsMax;
    for (let at = this.events.nextAt(); at !== undefined && at <= end; at = this.events.nextAt()) {
      if (this.handled++ >= handledMax) throw new RangeError(`Cannot rest: ${eventsMax} events`);
      this.now = at;
      this.events.pop()?.();
    }
    this.now = end;
  }
}
