/**
 * Pings to addresses that have not answered, counted per address whoever named it. So no number of
 * peers, attempts or forged sources makes us send a victim more than a handful of small datagrams. A
 * victim has 65 535 ports, and there are many victims: each host, and all together, have a rate, too.
 *
 * Source: the design, "nobody can be aimed at a victim".
 *
 * @module
 */
import { after, BoundedMap, type Instant } from "../base/mod.ts";
import { parsePath, prefixOf } from "../wire/mod.ts";

/** An address that did not answer is left alone for so long once its pings are spent. Guess. */
export const PROBE_WINDOW_MS = 15_000;
/** An address that answered anybody is no victim for so long. Guess: four times the slowest ping. */
export const ANSWERED_MS = 60_000;
/** Addresses that are remembered; the oldest gives way. Guess: 4096 cost under 1 MiB. */
export const ADDRESSES_MAX = 4_096;

/** A rate with room for a burst. */
interface Rate {
  readonly perS: number;
  readonly burst: number;
}

/** To one host. Guess: a house with a dozen peers behind one address is punched at once. */
export const HOST_RATE: Rate = { perS: 1, burst: 64 };
/** To all. Guess: a node with many peers punches twenty at once; 32 KB/s. */
export const ALL_RATE: Rate = { perS: 256, burst: 1_024 };

interface Bucket {
  tokens: number;
  at: Instant;
}

interface Spent {
  readonly pings: number;
  readonly isOpened: boolean;
  /** When the first of them was sent. */
  readonly since: Instant;
  readonly answeredAt: Instant | null;
}

/** The pings that addresses may still get. */
export class ProbeBudget {
  readonly #spent = new BoundedMap<string, Spent>(ADDRESSES_MAX, "evict-oldest");
  readonly #hosts = new BoundedMap<string, Bucket>(ADDRESSES_MAX, "evict-oldest");
  readonly #all: Bucket = { tokens: ALL_RATE.burst, at: 0 as Instant };

  /**
   * Whether a path's address may get another ping where `max` within the window are allowed; with
   * `Infinity`, for a path of our own choice, always.
   */
  allows(path: string, max: number, now: Instant): boolean {
    const { pings, answeredAt } = this.#current(addressOf(path), now);
    if (answeredAt !== null || max === Infinity) return true;
    return pings < max && this.#buckets(path, now).every(({ tokens }) => tokens >= 1);
  }

  /** Notes a ping that was sent. */
  spend(path: string, now: Instant): void {
    const address = addressOf(path);
    const current = this.#current(address, now);
    this.#spent.set(address, { ...current, pings: current.pings + 1 });
    if (current.answeredAt === null) this.#pay(path, now);
  }

  /** Whether an opener may go there: once in a window, for the NAT's mapping lives longer. */
  open(path: string, now: Instant): boolean {
    const address = addressOf(path);
    const current = this.#current(address, now);
    this.#spent.set(address, { ...current, isOpened: true });
    if (current.isOpened || this.#buckets(path, now).some(({ tokens }) => tokens < 1)) return false;
    this.#pay(path, now);
    return true;
  }

  /** Notes that somebody answers there. */
  answered(path: string, now: Instant): void {
    this.#spent.set(addressOf(path), { ...unspent(now), answeredAt: now });
  }

  #pay(path: string, now: Instant): void {
    for (const bucket of this.#buckets(path, now)) bucket.tokens = Math.max(0, bucket.tokens - 1);
  }

  /** What the path's host and all hosts may still get. */
  #buckets(path: string, now: Instant): Bucket[] {
    const name = hostOf(path);
    const host = this.#hosts.get(name) ?? { tokens: HOST_RATE.burst, at: now };
    this.#hosts.set(name, host);
    return [refilled(host, HOST_RATE, now), refilled(this.#all, ALL_RATE, now)];
  }

  #current(address: string, now: Instant): Spent {
    const spent = this.#spent.get(address) ?? unspent(now);
    const { answeredAt, since } = spent;
    if (answeredAt !== null && now < after(answeredAt, ANSWERED_MS)) return spent;
    return now < after(since, PROBE_WINDOW_MS) ? { ...spent, answeredAt: null } : unspent(now);
  }
}

function unspent(now: Instant): Spent {
  return { pings: 0, isOpened: false, since: now, answeredAt: null };
}

function refilled(bucket: Bucket, { perS, burst }: Rate, now: Instant): Bucket {
  const elapsedS = Math.max(0, now - bucket.at) / 1_000;
  bucket.tokens = Math.min(burst, bucket.tokens + elapsedS * perS);
  bucket.at = now;
  return bucket;
}

/** An IPv4 address, or the /64 of an IPv6 one, which one victim has. */
function hostOf(path: string): string {
  const parsed = parsePath(path);
  if (!parsed.ok) return "?";
  const { ip } = parsed.value.address;
  return ip.includes(":") ? prefixOf(ip) : ip;
}

/** The next hop of a path: a relay's sessions share its address. */
function addressOf(path: string): string {
  return path.split("#", 1)[0] ?? path;
}
