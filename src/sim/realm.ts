/**
 * A realm: the internet, a carrier's network, a LAN. An address means a place in it; the way there leads
 * through the sender's link, across the realm with its routers, and through the receiver's link.
 *
 * @module
 */
import type { Instant } from "../base/mod.ts";
import { Line, type LinkQuality } from "./link.ts";
import type { Drop, Fabric, Packet, Place } from "./network.ts";

/** How a realm is made. */
export interface RealmOptions {
  readonly name: string;
  /** The way between any two places of it, besides their own links. */
  readonly quality: LinkQuality;
  /** Routers between any two places of it. */
  readonly hops: number;
}

/** Takes what has its address outside of a realm. */
export interface Gateway {
  forward(packet: Packet): void;
}

/** Where addresses mean something: the internet, a carrier's network, a LAN. */
export class Realm {
  readonly #places = new Map<string, Place>();
  readonly name: string;
  quality: LinkQuality;
  /** To whom goes what has its address elsewhere. */
  gateway: Gateway | null = null;
  readonly #hops: number;
  readonly #fabric: Fabric;
  /** Without bandwidth: a queue of nobody's. */
  readonly #line = new Line();

  constructor(fabric: Fabric, { name, quality, hops }: RealmOptions) {
    this.#fabric = fabric;
    this.name = name;
    this.quality = quality;
    this.#hops = hops;
  }

  /** Gives a place an address. @throws {RangeError} Where another one has it. */
  attach(ip: string, place: Place): void {
    if (this.#places.has(ip)) throw new RangeError(`Cannot attach to ${this.name}: ${ip} is taken`);
    this.#places.set(ip, place);
  }

  /** Takes the address away again. */
  detach(ip: string): void {
    this.#places.delete(ip);
  }

  /** Whether somebody has the address. */
  has(ip: string): boolean {
    return this.#places.has(ip);
  }

  /** Sends a datagram of a place on its way: through the place's own link, then across the realm. */
  transmit(packet: Packet, place: Place): void {
    const { now } = this.#fabric.clock;
    const drop = (reason: Drop) => this.#fabric.drops.count(reason);
    const { bytes: { length } } = packet;
    const up = { quality: place.quality, chance: place.chance, now };
    for (const sentAt of place.up.arrivals(length, up, drop)) {
      const across = { quality: this.quality, chance: place.chance, now: sentAt };
      for (const at of this.#line.arrivals(length, across, drop)) {
        this.#later(at, packet, () => this.#arrive(packet));
      }
    }
  }

  #arrive(packet: Packet): void {
    if (packet.ttl <= this.#hops) return this.#fabric.drops.count("time-to-live");
    const arrived = { ...packet, ttl: packet.ttl - this.#hops };
    const place = this.#places.get(packet.to.ip);
    if (place !== undefined) this.#down(arrived, place);
    else if (this.gateway !== null) this.gateway.forward(arrived);
    else this.#fabric.drops.count("no-route");
  }

  /** Through the receiver's own link. */
  #down(packet: Packet, place: Place): void {
    const { now } = this.#fabric.clock;
    const way = { quality: place.quality, chance: place.chance, now };
    const drop = (reason: Drop) => this.#fabric.drops.count(reason);
    for (const at of place.down.arrivals(packet.bytes.length, way, drop)) {
      if (at <= now) place.receive(packet);
      else this.#later(at, packet, () => place.receive(packet));
    }
  }

  #later(at: Instant, { origin }: Packet, act: () => void): void {
    this.#fabric.clock.events.push(at, origin.lot, act);
  }
}
