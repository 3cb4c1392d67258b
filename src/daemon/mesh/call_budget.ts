/**
 * How often a peer may ask. Its calls cost units by what answering costs: a write to the disk, a call to
 * another member, a hash over an image. Each peer has a store of them that fills again by the second, so
 * that no member of ill will keeps a node busy with questions.
 *
 * Joiners have budgets of another kind, for an invite's holder may come by as many names as it likes, each
 * of which is kept: one for all, one per invite and one per source. They are charged only to who shows an
 * invite that admits it, so that asking in vain takes nothing from anybody.
 *
 * @module
 */
import { Bucket, Buckets, type Instant, type PeerKey, type Rate } from "../../base/mod.ts";
import type { CallName } from "../../node/mod.ts";

/** What one peer may spend. Guess: a directory of 10 000 records is read at once, a VM asked for 120 times. */
export const PEER_RATE: Rate = { burst: 1_200, perS: 20 };
/** Joiners in all. Guess: a thousand machines join at once; by day 30 MB of names at most. */
export const JOIN_RATE: Rate = { burst: 1_000, perS: 2 };
/** The same by one invite, and from one source: so that none of them takes it all. Guess. */
export const JOIN_INVITE_RATE: Rate = { burst: 750, perS: 1.5 };
export const JOIN_SOURCE_RATE: Rate = { burst: 500, perS: 1 };
/** Peers whose spending is remembered: as many as may have a session. */
export const SPENDERS_MAX = 16_384;

/** Units of the calls that do not cost `COST_OTHER`. */
const COSTS: Partial<Record<CallName, number>> = {
  "record.list": 1,
  "relay.offer": 1,
  "vm.event": 1,
  "relay.allocate": 5,
  "vm.reserve": 10,
  "redeem": 10,
  "renew": 20,
};
const COST_OTHER = 2;

/** What peers have left to spend. */
export class CallBudget {
  readonly #peers = new Buckets<PeerKey>(PEER_RATE, SPENDERS_MAX);

  /** Whether the peer may have the call answered now; if so, it has paid. */
  take(peer: PeerKey, name: CallName, now: Instant): boolean {
    return this.#peers.take(peer, COSTS[name] ?? COST_OTHER, now);
  }
}

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
