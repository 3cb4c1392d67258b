/**
 * An interface of a host: its address in one realm, its link, its firewall.
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import { Line, type LinkQuality } from "./link.ts";
import { type Endpoint, Filter, type NatDependence } from "./nat.ts";
import type { Fabric, Origin, Packet, Place } from "./network.ts";
import type { Realm } from "./realm.ts";

/** What the system gives a datagram that asks for no time to live of its own. Source: Linux. */
const TTL_DEFAULT = 64;

/** How an interface of a host is made. */
export interface InterfaceOptions {
  readonly realm: Realm;
  readonly ip: string;
  readonly quality: LinkQuality;
  readonly chance: Chance;
  /** Lets in only what was asked for, as this rule says; `null`: everything. */
  readonly firewall: NatDependence | null;
}

/** How long a firewall remembers what it let out. Source: Linux, assured UDP. */
const FIREWALL_MS = 120_000;

/** A host's address in one realm. */
export class Interface implements Place {
  quality: LinkQuality;
  readonly chance: Chance;
  readonly up: Line = new Line();
  readonly down: Line = new Line();
  readonly realm: Realm;
  readonly ip: string;
  readonly #firewall: Filter | null;
  readonly #fabric: Fabric;
  readonly #owner: InterfaceOwner;

  constructor(fabric: Fabric, owner: InterfaceOwner, options: InterfaceOptions) {
    const { realm, ip, quality, chance, firewall } = options;
    this.#fabric = fabric;
    this.#owner = owner;
    this.realm = realm;
    this.ip = ip;
    this.quality = quality;
    this.chance = chance;
    this.#firewall = firewall === null ? null : new Filter(firewall, FIREWALL_MS);
    realm.attach(ip, this);
  }

  /** Of which family it is. */
  get isV6(): boolean {
    return this.ip.includes(":");
  }

  /** Sends a datagram; `ttl` 0 is the system's default. */
  send(
    { to, port, bytes, ttl }: {
      readonly to: Endpoint;
      readonly port: number;
      readonly bytes: Uint8Array;
      readonly ttl: number;
    },
  ): void {
    this.#fabric.datagrams++;
    this.#fabric.bytes += bytes.length;
    if (this.#owner.blocksUdp) return this.#fabric.drops.count("udp-blocked");
    this.#firewall?.sent(to, this.#fabric.clock.now);
    const from = { ip: this.ip, port };
    const { origin } = this.#owner;
    this.realm.transmit({ from, to, bytes, origin, ttl: ttl || TTL_DEFAULT }, this);
  }

  receive(packet: Packet): void {
    const { drops, clock: { now } } = this.#fabric;
    const { origin, blocksUdp, isUp } = this.#owner;
    if (this.#fabric.isCut(packet.origin.name, origin.name)) return drops.count("partition");
    if (blocksUdp) return drops.count("udp-blocked");
    if (this.#firewall?.lets(packet.from, now) === false) return drops.count("firewall");
    if (!isUp) return drops.count("host-down");
    this.#fabric.delivered++;
    this.#owner.arrived(packet, this);
  }
}

/** Whose an interface is. */
export interface InterfaceOwner {
  readonly origin: Origin;
  readonly blocksUdp: boolean;
  readonly isUp: boolean;
  arrived(packet: Packet, at: Interface): void;
}
