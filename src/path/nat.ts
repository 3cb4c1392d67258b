/**
 * What peers say about the address from which they see us: the observed endpoints, and the judgement
 * of the NAT between, per address family. No STUN: every pong is an observation.
 *
 * One observer proves an endpoint, never a mapping; it takes two of different prefixes to tell
 * whether the mapping depends on the destination. Filtering is not judged here yet.
 *
 * @module
 */
import { after, type Instant } from "../base/mod.ts";

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
  /** The one who was heard last stands last; the oldest gives way. */
  readonly #byObserver = new Map<string, Observation>();
  /** How many observers see us at each address: every pong asks. */
  readonly #seenBy = new Map<string, number>();

  /** Notes what `observer` saw; returns whether the address is new. */
  note(observer: string, observation: Observation): boolean {
    const { address } = observation;
    const isNew = !this.#seenBy.has(address);
    this.#forget(observer);
    const [oldest] = this.#byObserver.size < OBSERVERS_MAX ? [] : this.#byObserver.keys();
    if (oldest !== undefined) this.#forget(oldest);
    this.#byObserver.set(observer, observation);
    this.#seenBy.set(address, (this.#seenBy.get(address) ?? 0) + 1);
    return isNew;
  }

  /** Forgets everything: the network changed. */
  clear(): void {
    this.#byObserver.clear();
    this.#seenBy.clear();
  }

  /** The addresses at which we are seen, most often seen first. */
  addresses(now: Instant): string[] {
    const counts = new Map<string, number>();
    for (const { address } of this.#fresh(now)) {
      counts.set(address, (counts.get(address) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1]).map(([address]) => address);
  }

  /**
   * Judges the mapping of one family; `local` are our own addresses with port. Whoever sees one of
   * those stands on our side of the NAT and tells nothing of it. Each prefix has one voice, and the
   * majority counts, so that one liar changes nothing.
   */
  judge(family: "ipv4" | "ipv6", local: readonly string[], now: Instant): NatJudgement {
    const seen = this.#fresh(now).filter((o) => o.address.startsWith("[") === (family === "ipv6"));
    const outside = seen.filter((o) => !local.includes(o.address));
    if (seen.length > 0 && outside.length === 0) {
      return { mapping: "none", observers: voices(seen) };
    }
    const observers = voices(outside);
    if (observers < 2) return { mapping: "unknown", observers };
    const groups = [...Map.groupBy(outside, (o) => o.address).values()];
    const agreed = Math.max(...groups.map(voices));
    const isSame = 2 * agreed > observers;
    return { mapping: isSame ? "endpoint-independent" : "address-and-port-dependent", observers };
  }

  #forget(observer: string): void {
    const address = this.#byObserver.get(observer)?.address;
    if (address === undefined) return;
    const others = (this.#seenBy.get(address) ?? 1) - 1;
    if (others > 0) this.#seenBy.set(address, others);
    else this.#seenBy.delete(address);
    this.#byObserver.delete(observer);
  }

  #fresh(now: Instant): Observation[] {
    return [...this.#byObserver.values()].filter((o) => now < after(o.at, OBSERVATION_MS));
  }
}

/** How many prefixes speak. */
function voices(observations: readonly Observation[]): number {
  return new Set(observations.map(({ prefix }) => prefix)).size;
}
