/**
 * The simulated network: places in which addresses mean something, and what joins them.
 *
 * ```text
 *   host ─ LAN (realm) ─ NAT ─┐
 *   host ─ LAN (realm) ─ NAT ─┴ carrier (realm) ─ NAT ─┐
 *                                                      ├─ internet (realm) ─ relay
 *   host ───────────────────────────────── firewall ───┘
 * ```
 *
 * A datagram goes to who has its address in the sender's realm, found in a map; else to the realm's NAT,
 * which translates and sends it on in the realm outside. Each realm has routers between any two of its
 * places, and each NAT is one: a datagram whose time to live ends there goes no further.
 *
 * Both families are addresses like others; a NAT translates IPv4 only, and what is IPv6 needs a place of
 * its own. Not here: ICMP, TCP, and routes that change.
 *
 * @module
 */
import { Drops, type Instant } from "../base/mod.ts";
import type { Chance } from "./chance.ts";
import type { EventHeap } from "./heap.ts";
import { Line, type LinkDrop, type LinkQuality } from "./link.ts";
import type { Endpoint } from "./nat.ts";

/** Why a datagram did not arrive. */
export type Drop =
  | LinkDrop
  | "no-route"
  | "time-to-live"
  | "nat-filter"
  | "nat-full"
  | "no-hairpin"
  | "firewall"
  | "udp-blocked"
  | "partition"
  | "host-down";

/** A datagram on its way. */
export interface Packet {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
  readonly ttl: number;
  /** Whose it is: the host that sent it. */
  readonly origin: Origin;
}

/** Who causes what happens: its name for partitions, its lot for the order at one instant. */
export interface Origin {
  readonly name: string;
  readonly lot: number;
}

/** Where the network keeps its time and what is under way. */
export interface NetworkClock {
  readonly now: Instant;
  readonly events: Pick<EventHeap<() => void>, "push">;
}

/** A place in a realm: it has an address there, and a link of its own. */
export interface Place {
  /** The link between the place and its realm, for both ways. */
  quality: LinkQuality;
  readonly chance: Chance;
  readonly up: Line;
  readonly down: Line;
  receive(packet: Packet): void;
}

/** A place's own state. */
export function placeState(quality: LinkQuality, chance: Chance) {
  return { quality, chance, up: new Line(), down: new Line() };
}

/** What all realms of one simulated world share: time, counters, who is cut off from whom. */
export class Fabric {
  readonly drops: Drops<Drop> = new Drops();
  datagrams = 0;
  bytes = 0;
  delivered = 0;
  #groups = new Map<string, number>();
  readonly #cuts = new Set<string>();

  constructor(readonly clock: NetworkClock) {}

  /** Divides hosts: nothing passes between groups; who is in none is with the first. */
  partition(groups: readonly (readonly string[])[]): void {
    const named = groups.flatMap((names, group) => names.map((name) => [name, group] as const));
    this.#groups = new Map(named);
  }

  /** Cuts two hosts from each other alone, or joins them again. */
  cut(a: string, b: string, isCut = true): void {
    if (isCut) this.#cuts.add(pairOf(a, b));
    else this.#cuts.delete(pairOf(a, b));
  }

  /** Whether nothing passes between two hosts. */
  isCut(a: string, b: string): boolean {
    if ((this.#groups.get(a) ?? 0) !== (this.#groups.get(b) ?? 0)) return true;
    return this.#cuts.size > 0 && this.#cuts.has(pairOf(a, b));
  }
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
