/**
 * How many handshakes we pay for: a token bucket for all together and one per source, which is a prefix,
 * or a session of a relay. Anybody can write a relay's frames with session after session, so that those
 * of one prefix together have half of it all. Asked only for messages whose MAC is good, so that
 * strangers with forged sources neither empty the buckets nor grow the table.
 *
 * @module
 */
import { Bucket, Buckets, type Instant } from "../base/mod.ts";
import type { PathSource } from "../wire/mod.ts";
import { SOURCES_MAX } from "./constants.ts";
import type { HandshakeLimits } from "./types.ts";

/** The budget of handshakes. */
export class HandshakeLimiter {
  readonly #sources: Buckets<string>;
  readonly #relays: Buckets<string>;
  readonly #all: Bucket;

  constructor(limits: HandshakeLimits) {
    const source = { perS: limits.perSourcePerS, burst: limits.perSourceBurst };
    const relay = { perS: limits.perRelayPerS, burst: limits.perRelayBurst };
    const all = { perS: limits.handshakesPerS, burst: limits.handshakesBurst };
    this.#sources = new Buckets(source, SOURCES_MAX);
    this.#relays = new Buckets(relay, SOURCES_MAX);
    this.#all = new Bucket(all, 0 as Instant);
  }

  /** Takes one handshake from a source's budget and the common one, or says which is empty. */
  take(source: PathSource, now: Instant): "taken" | "source-limit" | "global-limit" {
    const { prefix, key } = source;
    const isRelayed = source.session !== undefined;
    if (!this.#sources.has(key, 1, now)) return "source-limit";
    if (isRelayed && !this.#relays.has(prefix, 1, now)) return "source-limit";
    if (!this.#all.take(1, now)) return "global-limit";
    if (isRelayed) this.#relays.take(prefix, 1, now);
    this.#sources.take(key, 1, now);
    return "taken";
  }
}
