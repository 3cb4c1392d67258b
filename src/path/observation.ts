/**
 * What peers say about the address from which they see us: the observed endpoints, and the judgement
 * of the NAT between, per address family. No STUN: every pong is an observation.
 *
 * One observer proves an endpoint, never a mapping; it takes two of different prefixes to tell
 * whether the mapping depends on the destination. Filtering is not judged here yet.
 *
 * @module
 */
import { after, BoundedMap, type Instant } from "../base/mod.ts";

/** RFC 4787's words for a NAT's mapping. */
export type Mapping =
  | "none"
  | "endpoint-independent"
  | "address-dependent"
  | "address-and-port-dependent"
  | "blocked"
  | "unknown";

/** One observation: `observer` saw us at `address`. */
export interface Observation {
  /** The observer's own prefix: two observers behind one prefix count as one. */
  readonly prefix: string;
  readonly address: string;
  readonly at: Instant;
}

/** The judgement for one address family. */
export interface NatJudgement {
  readonly mapping: Mapping;
  readonly observers: number;
}

/** An observation counts for so long. Guess: the research proposes 120 to 300 s. */
export const OBSERVATION_MS = 300_000;
const OBSERVERS_MAX = 64;

/** The newest observation of each observer. */
export class Observations {
  readonly #byObserver = new BoundedMap<string, Observation>(OBSERVERS_MAX, "evict-oldest");

  /** Notes what `observer` saw; returns whether the address is new. */
  note(observer: string, observation: Observation): boolean {
    const isNew = ![...this.#byObserver.values()].some((o) => o.address === observation.address);
    this.#byObserver.set(observer, observation);
    return isNew;
  }

  /** Forgets everything: the network changed. */
  clear(): void {
    for (const observer of [...this.#byObserver.keys()]) this.#byObserver.delete(observer);
  }

  /** The addresses at which we are seen, most often seen first. */
  addresses(now: Instant): string[] {
    const counts = new Map<string, number>();
    for (const { address } of this.#fresh(now)) {
      counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1]).map(([address]) => address);
  }

  /** Judges the mapping of one family; `local` are our own addresses with port. */
  judge(family: "ipv4" | "ipv6", local: readonly string[], now: Instant): NatJudgement {
    const seen = this.#fresh(now).filter((o) => o.address.startsWith("[") === (family === "ipv6"));
    const prefixes = new Set(seen.map((o) => o.prefix));
    const addresses = new Set(seen.map((o) => o.address));
    const observers = prefixes.size;
    if (observers === 0) return { mapping: "unknown", observers };
    if ([...addresses].every((address) => local.includes(address))) {
      return { mapping: "none", observers };
    }
    if (observers < 2) return { mapping: "unknown", observers };
    const mapping = addresses.size === 1 ? "endpoint-independent" : "address-and-port-dependent";
    return { mapping, observers };
  }

  #fresh(now: Instant): Observation[] {
    return [...this.#byObserver.values()].filter((o) => now < after(o.at, OBSERVATION_MS));
  }
}
