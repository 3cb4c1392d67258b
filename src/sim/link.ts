/**
 * What a link does to a datagram: it takes its time, loses it, doubles it, holds it back while others
 * overtake it, has no room for it, or refuses what is too long.
 *
 * ```text
 *   datagram ─▶ MTU ─▶ loss ─▶ queue (bandwidth) ─▶ delay + jitter (+ held back) ─▶ arrivals: 0, 1 or 2
 * ```
 *
 * Not here: bursts of loss (each datagram is lost by itself), and ICMP: what does not pass is gone.
 *
 * @module
 */
import { after, type Instant } from "../base/mod.ts";
import type { Chance } from "./chance.ts";

/** How a link behaves, in each direction. Chances are 0 to 1. */
export interface LinkQuality {
  /** One way, milliseconds. */
  readonly delayMs: number;
  /** At most so much more, evenly spread. */
  readonly jitterMs: number;
  readonly loss: number;
  /** Of a second delivery, with a delay of its own. */
  readonly duplication: number;
  /** Of being held back for `REORDER_MS`, so that what follows comes first. */
  readonly reordering: number;
  /** The longest datagram, UDP payload in bytes; longer ones are lost. `null`: no bound. */
  readonly mtuBytes: number | null;
  /** `null`: no bound. */
  readonly bytesPerS: number | null;
}

/** How long a datagram is held back that others overtake. Guess. */
const REORDER_MS = 30;
/** What waits longer for a slow link is dropped. Guess: a usual home router's buffer. */
const QUEUE_MS_MAX = 500;
/** IP and UDP headers, which take room on the link, too. */
const HEADER_BYTES = 28;

/** A link that takes no time and loses nothing. */
export const PERFECT: LinkQuality = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  duplication: 0,
  reordering: 0,
  mtuBytes: null,
  bytesPerS: null,
};

/** Why a datagram did not pass a link. */
export type LinkDrop = "too-long" | "lost" | "queue-full";

/** One direction of a link: its queue is its own. */
export class Line {
  #busyUntil = 0 as Instant;

  /** When the datagram arrives: never, once or twice. `drop` hears why not. */
  arrivals(
    bytes: number,
    way: { readonly quality: LinkQuality; readonly chance: Chance; readonly now: Instant },
    drop: (reason: LinkDrop) => void,
  ): Instant[] {
    const { quality, chance, now } = way;
    const fault = this.#fault(bytes, way);
    if (fault !== undefined) {
      drop(fault);
      return [];
    }
    const sentAt = this.#send(bytes, quality, now);
    const first = arrivalOf(sentAt, quality, chance);
    return chance.happens(quality.duplication)
      ? [first, arrivalOf(sentAt, quality, chance)]
      : [first];
  }

  #fault(
    bytes: number,
    { quality, chance, now }: {
      readonly quality: LinkQuality;
      readonly chance: Chance;
      readonly now: Instant;
    },
  ): LinkDrop | undefined {
    if (quality.mtuBytes !== null && bytes > quality.mtuBytes) return "too-long";
    if (chance.happens(quality.loss)) return "lost";
    const isFull = quality.bytesPerS !== null && this.#busyUntil - now > QUEUE_MS_MAX;
    return isFull ? "queue-full" : undefined;
  }

  #send(bytes: number, { bytesPerS }: LinkQuality, now: Instant): Instant {
    if (bytesPerS === null) return now;
    const takesMs = (bytes + HEADER_BYTES) * 1_000 / bytesPerS;
    this.#busyUntil = after(Math.max(now, this.#busyUntil) as Instant, takesMs);
    return this.#busyUntil;
  }
}

function arrivalOf(sentAt: Instant, quality: LinkQuality, chance: Chance): Instant {
  const { delayMs, jitterMs, reordering } = quality;
  const jitter = jitterMs > 0 ? chance.draw() * jitterMs : 0;
  const held = chance.happens(reordering) ? REORDER_MS : 0;
  return after(sentAt, delayMs + jitter + held);
}
