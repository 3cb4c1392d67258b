/**
 * How many handshakes we pay for: a token bucket for all together and one per source, which is a prefix,
 * or a session of a relay. Anybody can write a relay's frames with session after session, so that those
 * of one prefix together have half of it all. Asked only for messages whose MAC is good, so that
 * strangers with forged sources neither empty the buckets nor grow the table.
 *
 * @module
 */
import { BoundedMap, type Instant } from "../base/mod.ts";
import { SOURCES_MAX } from "./constants.ts";
import type { HandshakeLimits } from "./types.ts";

interface Bucket {
  tokens: number;
  at: Instant;
}

interface Rate {
  readonly perS: number;
  readonly burst: number;
}

/** The budget of handshakes. */
export class HandshakeLimiter {
  readonly #all: Rate;
  readonly #each: Rate;
  readonly #relay: Rate;
  readonly #sources = new BoundedMap<string, Bucket>(SOURCES_MAX, "evict-oldest");
  readonly #global: Bucket;

  constructor(limits: HandshakeLimits) {
    this.#all = { perS: limits.handshakesPerS, burst: limits.handshakesBurst };
    this.#each = { perS: limits.perSourcePerS, burst: limits.perSourceBurst };
    this.#relay = { perS: limits.perRelayPerS, burst: limits.perRelayBurst };
    this.#global = { tokens: this.#all.burst, at: 0 as Instant };
  }

  /** Takes one handshake from a source's budget and the common one, or says which is empty. */
  take(source: string, now: Instant): "taken" | "source-limit" | "global-limit" {
    const [prefix = "", session] = source.split("#");
    const buckets = [this.#bucket(source, this.#each, now)];
    if (session !== undefined) buckets.push(this.#bucket(`${prefix}#`, this.#relay, now));
    refill(this.#global, this.#all, now);
    if (buckets.some(({ tokens }) => tokens < 1)) return "source-limit";
    if (this.#global.tokens < 1) return "global-limit";
    for (const bucket of [...buckets, this.#global]) bucket.tokens--;
    return "taken";
  }

  #bucket(source: string, rate: Rate, now: Instant): Bucket {
    const bucket = this.#sources.get(source) ?? { tokens: rate.burst, at: now };
    this.#sources.set(source, bucket);
    refill(bucket, rate, now);
    return bucket;
  }
}

function refill(bucket: Bucket, rate: Rate, now: Instant): void {
  const elapsedS = Math.max(0, now - bucket.at) / 1000;
  bucket.tokens = Math.min(rate.burst, bucket.tokens + elapsedS * rate.perS);
  bucket.at = now;
}
