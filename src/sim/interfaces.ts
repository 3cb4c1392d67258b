/**
 * The interfaces of one host: which of them sends, as its system routes.
 *
 * @module
 */
import { addressScope, formatAddress, prefixOf } from "../wire/mod.ts";
import type { Chance } from "./chance.ts";
import { Interface, type InterfaceOwner } from "./interface.ts";
import { type LinkQuality, PERFECT } from "./link.ts";
import type { Endpoint, NatDependence } from "./nat.ts";
import type { Fabric } from "./network.ts";
import type { Realm } from "./realm.ts";

/** An address of a host. */
export interface Attachment {
  readonly realm: Realm;
  readonly ip: string;
  /** Default: a link without faults. */
  readonly quality?: LinkQuality;
  /** Default: none. */
  readonly firewall?: NatDependence | null;
}

/** All interfaces of a host; every one has the node's port. */
export class Interfaces {
  readonly #fabric: Fabric;
  readonly #owner: InterfaceOwner;
  readonly #options: { readonly chance: Chance; readonly port: number };
  #all: Interface[] = [];

  constructor(
    fabric: Fabric,
    owner: InterfaceOwner,
    options: { readonly chance: Chance; readonly port: number },
  ) {
    this.#fabric = fabric;
    this.#owner = owner;
    this.#options = options;
  }

  /** `IP:PORT` of each. */
  get addresses(): string[] {
    return this.#all.map(({ ip }) => formatAddress({ ip, port: this.#options.port }));
  }

  /** Those that mean the same everywhere. */
  get publicAddresses(): string[] {
    const { port } = this.#options;
    const open = this.#all.filter(({ ip }) => addressScope(ip) === "global");
    return open.map(({ ip }) => formatAddress({ ip, port }));
  }

  /** The prefixes of the networks at which the host is. */
  get prefixes(): string[] {
    return [...new Set(this.#all.map(({ ip }) => prefixOf(ip)))];
  }

  /** Replaces them. */
  attach(attachments: readonly Attachment[]): void {
    for (const { realm, ip } of this.#all) realm.detach(ip);
    const { chance } = this.#options;
    this.#all = attachments.map(({ realm, ip, quality = PERFECT, firewall = null }) =>
      new Interface(this.#fabric, this.#owner, { realm, ip, quality, firewall, chance })
    );
  }

  /** Replaces the quality of all links. */
  setQuality(quality: LinkQuality): void {
    for (const each of this.#all) each.quality = quality;
  }

  /** Sends a datagram by the interface that leads there. */
  send(to: Endpoint, bytes: Uint8Array, ttl: number): void {
    const from = this.#leadingTo(to);
    if (from === undefined) return this.#fabric.drops.count("no-route");
    from.send({ to, port: this.#options.port, bytes, ttl });
  }

  /** Who has the address beside us, else the first that leads outwards. */
  #leadingTo({ ip }: Endpoint): Interface | undefined {
    const isV6 = ip.includes(":");
    const family = this.#all.filter((each) => each.isV6 === isV6);
    return family.find(({ realm }) => realm.has(ip)) ??
      family.find(({ realm }) => realm.gateway !== null) ?? family[0];
  }
}
