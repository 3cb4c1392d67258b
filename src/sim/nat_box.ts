/**
 * A NAT as a thing in the network: a place in the realm outside, the gateway of the realm inside, and one
 * router for what passes it. IPv4 only.
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import type { LinkQuality } from "./link.ts";
import type { Nat } from "./nat.ts";
import { type Fabric, type Packet, type Place, placeState } from "./network.ts";
import type { Gateway, Realm } from "./realm.ts";

/** A NAT with a place in the realm outside; it is the gateway of the realm inside. */
export class NatBox implements Gateway {
  /** Lets no UDP through at all. */
  blocksUdp = false;
  readonly #fabric: Fabric;
  readonly #outsidePlace: Place;
  readonly #insidePlace: Place;
  #ip: string;

  constructor(
    fabric: Fabric,
    readonly nat: Nat,
    readonly options: {
      readonly inside: Realm;
      readonly outside: Realm;
      readonly ip: string;
      /** Its link outwards. */
      readonly quality: LinkQuality;
      readonly chance: Chance;
    },
  ) {
    const { inside, outside, quality, chance } = options;
    this.#fabric = fabric;
    this.#ip = options.ip;
    const receive = (packet: Packet) => this.#inward(packet);
    this.#outsidePlace = { ...placeState(quality, chance), receive };
    this.#insidePlace = { ...placeState({ ...quality, ...FREE }, chance), receive: () => {} };
    outside.attach(options.ip, this.#outsidePlace);
    inside.gateway = this;
  }

  /** Its public address. */
  get ip(): string {
    return this.#ip;
  }

  /** Loses all mappings, and perhaps its address. */
  reboot(ip: string = this.#ip): void {
    this.nat.reboot();
    const { outside } = this.options;
    outside.detach(this.#ip);
    this.#ip = ip;
    outside.attach(ip, this.#outsidePlace);
  }

  /** Replaces its link outwards. */
  setQuality(quality: LinkQuality): void {
    this.#outsidePlace.quality = quality;
  }

  /** Takes a datagram from inside that has its address elsewhere. */
  forward(packet: Packet): void {
    const { drops, clock: { now } } = this.#fabric;
    if (packet.from.ip.includes(":")) return drops.count("no-route");
    if (this.blocksUdp) return drops.count("udp-blocked");
    const isHairpin = packet.to.ip === this.#ip;
    if (isHairpin && !this.nat.behaviour.hairpin) return drops.count("no-hairpin");
    if (packet.ttl <= 1) return drops.count("time-to-live");
    const port = this.nat.outbound(packet.from, packet.to, now);
    if (port === undefined) return drops.count("nat-full");
    const out = { ...packet, from: { ip: this.#ip, port }, ttl: packet.ttl - 1 };
    if (isHairpin) this.#inward(out);
    else this.options.outside.transmit(out, this.#outsidePlace);
  }

  #inward(packet: Packet): void {
    const { drops, clock: { now } } = this.#fabric;
    if (this.blocksUdp) return drops.count("udp-blocked");
    const to = this.nat.inbound(packet.from, packet.to.port, now);
    if (to === undefined) return drops.count("nat-filter");
    if (packet.ttl <= 1) return drops.count("time-to-live");
    this.options.inside.transmit({ ...packet, to, ttl: packet.ttl - 1 }, this.#insidePlace);
  }
}

/** The LAN side of a NAT is as good as its LAN. */
const FREE = { delayMs: 0, jitterMs: 0, loss: 0, duplication: 0, reordering: 0, bytesPerS: null };
