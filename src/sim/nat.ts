/**
 * A network address translator of IPv4, in the terms of RFC 4787.
 *
 * | axis | kinds |
 * | --- | --- |
 * | mapping (§4.1) | endpoint-independent, address-dependent, address-and-port-dependent |
 * | filtering (§5) | the same three |
 * | allocation (§4.2) | preserving, sequential, random, contiguous (with parity, §4.2.2, §4.2.3) |
 * | timeout (§4.3) | a mapping that carried nothing for so long, either way, is forgotten |
 * | hairpin (§6) | whether insiders reach each other at their public addresses |
 * | early | what a datagram does that comes before we sent to its source |
 *
 * `early: "remaps"` is a Linux router whose own firewall accepts what nobody asked for: connection tracking
 * then holds that pair of addresses, and what we send there later collides with it and gets another port
 * (seen with nftables: an easy NAT is hard for that pair for 30 s).
 *
 * Layers are several of these, each in the network outside of the one before: see `network.ts`. A NAT's
 * own ports bound its mappings; what finds no port is dropped. Not here: fragments, and what a NAT does to
 * other protocols.
 *
 * @module
 */
import { BoundedMap, type Instant } from "../base/mod.ts";
import type { Chance } from "./chance.ts";

/** On what of the remote end a rule depends. RFC 4787 §4.1 and §5. */
export type NatDependence =
  | "endpoint-independent"
  | "address-dependent"
  | "address-and-port-dependent";

/** Which port a new mapping gets. RFC 4787 §4.2. */
export type PortAllocation = "preserving" | "sequential" | "random" | "contiguous";

/** How a NAT behaves. */
export interface NatBehaviour {
  readonly mapping: NatDependence;
  readonly filtering: NatDependence;
  readonly allocation: PortAllocation;
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly hairpin: boolean;
  readonly early: "ignored" | "remaps";
  /** The ports that it gives, both included: a carrier's share out blocks of them. */
  readonly ports: { readonly min: number; readonly max: number };
}

/** An address and port. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

/** How long a datagram that came too early is remembered. Source: Linux, unreplied UDP. */
const EARLY_MS = 30_000;
/** Early datagrams that are remembered; the oldest gives way. */
const EARLY_MAX = 4_096;

/** How the usual home router behaves: the easy case, and Linux's time-out of an unreplied flow. */
export const HOME_NAT: NatBehaviour = {
  mapping: "endpoint-independent",
  filtering: "address-and-port-dependent",
  allocation: "preserving",
  timeoutMs: 30_000,
  hairpin: false,
  early: "ignored",
  ports: { min: 1_024, max: 65_535 }, // RFC 4787 §4.2.1: lower ones belong to services
};

/** Remotes that one mapping lets in; the oldest gives way. Guess: more than a node has peers. */
const REMOTES_MAX = 16_384;

interface Mapping {
  readonly key: string;
  readonly inside: Endpoint;
  readonly port: number;
  readonly filter: Filter;
  usedAt: Instant;
}

/** Who is let in: whoever was sent something lately, as the rule tells remotes apart. */
export class Filter {
  readonly #sentTo = new BoundedMap<string, Instant>(REMOTES_MAX, "evict-oldest");

  constructor(readonly rule: NatDependence, readonly timeoutMs: number) {}

  /** Something was sent to the remote. */
  sent(remote: Endpoint, now: Instant): void {
    this.#sentTo.set(seenAs(this.rule, remote), now);
  }

  /** Whether what comes from the remote is let in; then it keeps the way open, as Linux does. */
  lets(remote: Endpoint, now: Instant): boolean {
    const key = seenAs(this.rule, remote);
    const sentAt = this.#sentTo.get(key);
    if (sentAt === undefined) return false;
    const isOpen = now - sentAt < this.timeoutMs;
    if (isOpen) this.#sentTo.set(key, now);
    else this.#sentTo.delete(key);
    return isOpen;
  }
}

/** One translator with one public address. */
export class Nat {
  readonly #byKey = new Map<string, Mapping>();
  readonly #byPort = new Map<number, Mapping>();
  /** `PORT REMOTE` of what came before we sent there, and when. */
  readonly #early = new BoundedMap<string, Instant>(EARLY_MAX, "evict-oldest");
  readonly #chance: Chance;
  #lastPort: number;

  constructor(readonly behaviour: NatBehaviour, chance: Chance) {
    this.#chance = chance;
    this.#lastPort = this.#randomPort();
  }

  /** How many mappings there are, those included whose time is over. */
  get size(): number {
    return this.#byPort.size;
  }

  /** The public port from which a datagram leaves; `undefined` where no port is free. */
  outbound(inside: Endpoint, remote: Endpoint, now: Instant): number | undefined {
    const mapping = this.#mappingOf(inside, remote, now);
    if (mapping === undefined) return undefined;
    mapping.usedAt = now;
    mapping.filter.sent(remote, now);
    return mapping.port;
  }

  /** To whom inside a datagram to a public port goes; `undefined` where it is not let in. */
  inbound(remote: Endpoint, port: number, now: Instant): Endpoint | undefined {
    const mapping = this.#living(this.#byPort.get(port), now);
    if (mapping === undefined || !mapping.filter.lets(remote, now)) {
      this.#noteEarly(remote, port, now);
      return undefined;
    }
    mapping.usedAt = now;
    return mapping.inside;
  }

  /** It was switched off and on: all mappings are lost. */
  reboot(): void {
    this.#byKey.clear();
    this.#byPort.clear();
    for (const key of [...this.#early.keys()]) this.#early.delete(key);
  }

  #mappingOf(inside: Endpoint, remote: Endpoint, now: Instant): Mapping | undefined {
    const plain = `${inside.ip}:${inside.port} ${seenAs(this.behaviour.mapping, remote)}`;
    const pair = `${inside.ip}:${inside.port} only ${remote.ip}:${remote.port}`;
    const known = this.#living(this.#byKey.get(pair), now) ??
      this.#living(this.#byKey.get(plain), now);
    const wanted = known?.port ?? this.#allocate(inside, now);
    if (wanted === undefined) return undefined;
    const isTaken = known?.key !== pair && this.#cameEarly(remote, wanted, now);
    if (!isTaken) return known ?? this.#map(plain, inside, wanted, now);
    const other = this.#free(this.#randomPort(), now);
    return other === undefined ? undefined : this.#map(pair, inside, other, now);
  }

  #map(key: string, inside: Endpoint, port: number, now: Instant): Mapping {
    const { filtering, timeoutMs } = this.behaviour;
    const mapping = { key, inside, port, filter: new Filter(filtering, timeoutMs), usedAt: now };
    this.#byKey.set(key, mapping);
    this.#byPort.set(port, mapping);
    return mapping;
  }

  /** The mapping, unless its time is over: then it is forgotten. */
  #living(mapping: Mapping | undefined, now: Instant): Mapping | undefined {
    if (mapping === undefined || now - mapping.usedAt < this.behaviour.timeoutMs) return mapping;
    if (this.#byKey.get(mapping.key) === mapping) this.#byKey.delete(mapping.key);
    if (this.#byPort.get(mapping.port) === mapping) this.#byPort.delete(mapping.port);
    return undefined;
  }

  #allocate(inside: Endpoint, now: Instant): number | undefined {
    switch (this.behaviour.allocation) {
      case "preserving":
        return this.#free(inside.port, now);
      case "sequential":
        return this.#sequential(now);
      case "random":
        return this.#free(this.#randomPort(), now);
      case "contiguous":
        return this.#contiguous(inside, now);
    }
  }

  #sequential(now: Instant): number | undefined {
    const port = this.#free(this.#lastPort + 1, now);
    this.#lastPort = port ?? this.#lastPort;
    return port;
  }

  /** The port beside the neighbour's, else one of the same parity. RFC 4787 §4.2.2, §4.2.3. */
  #contiguous(inside: Endpoint, now: Instant): number | undefined {
    const below = [...this.#byPort.values()].find((mapping) =>
      mapping.inside.ip === inside.ip && mapping.inside.port === inside.port - 1 &&
      this.#living(mapping, now) !== undefined
    );
    if (below !== undefined && inside.port % 2 === 1) return this.#free(below.port + 1, now, 2);
    const drawn = this.#randomPort();
    return this.#free(drawn % 2 === inside.port % 2 ? drawn : drawn + 1, now, 2);
  }

  /** The first free port from `first` on, by steps, round and round. */
  #free(first: number, now: Instant, step = 1): number | undefined {
    const { min, max } = this.behaviour.ports;
    const count = max - min + 1;
    for (let tried = 0; tried < count; tried += step) {
      const port = min + (Math.max(0, first - min) + tried) % count;
      if (this.#living(this.#byPort.get(port), now) === undefined) return port;
    }
    return undefined;
  }

  #randomPort(): number {
    return this.#chance.between(this.behaviour.ports.min, this.behaviour.ports.max);
  }

  #noteEarly(remote: Endpoint, port: number, now: Instant): void {
    if (this.behaviour.early === "ignored") return;
    this.#early.set(earlyKey(remote, port), now);
  }

  #cameEarly(remote: Endpoint, port: number, now: Instant): boolean {
    const at = this.#early.get(earlyKey(remote, port));
    return at !== undefined && now - at < EARLY_MS;
  }
}

function earlyKey({ ip, port }: Endpoint, at: number): string {
  return `${at} ${ip}:${port}`;
}

/** What of a remote end a rule sees. */
function seenAs(rule: NatDependence, { ip, port }: Endpoint): string {
  switch (rule) {
    case "endpoint-independent":
      return "";
    case "address-dependent":
      return ip;
    case "address-and-port-dependent":
      return `${ip}:${port}`;
  }
}
