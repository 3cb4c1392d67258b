/**
 * How many may join. An invite's holder may come by as many names as it likes, each of which is kept:
 * there is a budget for all, one per invite and one per source. They are charged only to who shows an
 * invite that admits it, so that asking in vain takes nothing from anybody.
 *
 * @module
 */
import { Bucket, Buckets, type Instant, type Rate } from "../../base/mod.ts";

/** Joiners in all. Guess: a thousand machines join at once; by day 30 MB of names at most. */
export const JOIN_RATE: Rate = { burst: 1_000, perS: 2 };
/** The same by one invite, and from one source: so that none of them takes it all. Guess. */
export const JOIN_INVITE_RATE: Rate = { burst: 750, perS: 1.5 };
export const JOIN_SOURCE_RATE: Rate = { burst: 500, perS: 1 };
/** Invites, and sources, whose spending is remembered. Guess. */
const SPENDERS_MAX = 16_384;

/** Who joins. */
export interface Joiner {
  /** The id of the invite, which admits it. */
  readonly invite: string;
  /** The prefix at which it is proven to be; `null`: nowhere, which all such share. */
  readonly source: string | null;
}

/** A joiner that was put off asks again after this. Guess: some are let in meanwhile. */
const JOIN_AGAIN_MS = 5_000;

/** What joiners have left. */
export class JoinBudget {
  readonly #all = new Bucket(JOIN_RATE, 0 as Instant);
  readonly #invites = new Buckets<string>(JOIN_INVITE_RATE, SPENDERS_MAX);
  readonly #sources = new Buckets<string>(JOIN_SOURCE_RATE, SPENDERS_MAX);

  /** Whether one more may join now; if so, it has paid. Else nothing was, and how long to wait. */
  take(
    { invite, source }: Joiner,
    now: Instant,
  ): { readonly ok: true } | { readonly ok: false; readonly retryMs: number } {
    const at = source ?? "";
    const isThere = this.#all.has(1, now) && this.#invites.has(invite, 1, now) &&
      this.#sources.has(at, 1, now);
    if (!isThere) return { ok: false, retryMs: JOIN_AGAIN_MS };
    this.#all.take(1, now);
    this.#invites.take(invite, 1, now);
    this.#sources.take(at, 1, now);
    return { ok: true };
  }
}
