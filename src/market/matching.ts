/**
 * Who is asked for a VM, in which order, and who gets it: the first reservation wins.
 *
 * ```
 *            ┌── refused, failed, or no answer for a while: ask the next ──┐
 *  start ──▶ asking (at most 3 at once) ─────────────────────────────────◀─┘
 *              │ reserved                       │ none left to ask, none to wait for
 *              ▼                                ▼
 *            won: every later reservation is    lost: the most telling refusal
 *            undone
 * ```
 *
 * Offers are what providers said of themselves a while ago: they order the attempts, and exclude only
 * who says of itself that it does not do. Among those that say the same, the near ones come first, and
 * lots are drawn where nobody is known to be nearer: no name, no id and no word puts a provider first.
 * Left out: price, measured speed.
 *
 * @module
 */
import {
  after,
  type ErrorCode,
  type Instant,
  type Machine,
  type NodeId,
  type Random,
  shuffled,
  unreachable,
  type VmId,
  type Wakeup,
} from "../base/mod.ts";
import { fits, type Offer } from "./offer.ts";
import type { Requirements } from "./requirements.ts";

/** A provider as the network tells of it. */
export interface FoundProvider {
  readonly node: NodeId;
  readonly offer: Offer;
  /** Round-trip time of its best path, or of the way by its relay; `null` where unknown. */
  readonly rttMs: number | null;
}

/** A provider that may be asked. */
export interface Candidate extends FoundProvider {
  /** Whether a person here trusts it: it is asked before others. */
  readonly trusted: boolean;
  /** Whether it failed lately (see `experience.ts`): it is asked after all others. */
  readonly shunned: boolean;
}

/** Round trips as near to each other as this count as the same. Source: the contract. */
const SAME_RTT_RATIO = 1.2;
const SAME_RTT_MS = 5;

/**
 * Candidates in the order of asking: those that did not fail lately, the trusted ones, those that
 * accept, those that fit, then the near ones; the rest is drawn by lot.
 */
export function orderCandidates(
  candidates: readonly Candidate[],
  wanted: Requirements,
  random: Random,
): readonly Candidate[] {
  const rank = ({ shunned, trusted, offer }: Candidate) =>
    8 * Number(shunned) + 4 * Number(!trusted) + 2 * Number(!offer.accepting) +
    Number(!fits(offer, wanted));
  const distance = distances(candidates);
  return shuffled(candidates, random).toSorted((a, b) =>
    rank(a) - rank(b) || (distance.get(a) ?? 0) - (distance.get(b) ?? 0)
  );
}

/**
 * How far each is, as a small number: 0 for the nearest and all that are as near, 1 for the nearest of
 * the others, and so on. One whose round trip is not known is not known to be far: 0.
 */
function distances(candidates: readonly Candidate[]): ReadonlyMap<Candidate, number> {
  const far = new Map<Candidate, number>();
  let [step, limitMs] = [-1, -Infinity];
  const known = candidates.filter(({ rttMs }) => rttMs !== null);
  for (const candidate of known.toSorted((a, b) => (a.rttMs ?? 0) - (b.rttMs ?? 0))) {
    const rttMs = candidate.rttMs ?? 0;
    if (rttMs > limitMs) {
      step++;
      limitMs = Math.max(rttMs * SAME_RTT_RATIO, rttMs + SAME_RTT_MS);
    }
    far.set(candidate, step);
  }
  return far;
}

/** Providers asked at once. Guess: two slow ones do not hold up the third. */
export const ASKED_AT_ONCE_MAX = 3;

/** Providers asked in all for one request. Guess. */
export const ASKED_MAX = 16;

/** An answer takes one round trip and a reservation's moment; later than this the next is asked. */
const HEDGE_MS_MIN = 300; // guess: beyond any answer of a healthy provider that is near
const HEDGE_RTTS = 3;
/** A trusted provider gets longer, before one is asked that nobody trusts. Guess. */
const HEDGE_TRUSTED_MS = 3_000;

/** Why a provider gave no VM. */
export interface NoVm {
  readonly node: NodeId;
  readonly code: ErrorCode;
  readonly message: string;
  /** It may have room after so long; `null`: asking it again is vain. */
  readonly retryMs: number | null;
}

/** What happens to a request: answers come from those who were asked. */
export type MatchingIn =
  | { readonly type: "start" }
  | { readonly type: "reserved"; readonly node: NodeId; readonly vm: VmId }
  | ({ readonly type: "refused" } & NoVm)
  | { readonly type: "cancel" }
  | { readonly type: "wake" };

/** What is to be done: ask for a reservation, use the one, release another, or give up. */
export type MatchingOut =
  | { readonly type: "ask"; readonly node: NodeId }
  | { readonly type: "won"; readonly node: NodeId; readonly vm: VmId }
  | { readonly type: "undo"; readonly node: NodeId; readonly vm: VmId }
  | {
    readonly type: "lost";
    /** The most telling refusal; `null`: there was nobody to ask. */
    readonly why: NoVm | null;
    readonly tried: readonly NoVm[];
  };

/** One request's way through the providers. */
export class MatchingMachine implements Machine<MatchingIn, MatchingOut> {
  readonly #waiting: Candidate[];
  readonly #asked = new Set<NodeId>();
  readonly #tried: NoVm[] = [];
  #over = false;
  #hedgeAt: Instant | undefined;

  /** `candidates` in any order; a node that stands there twice is asked once. */
  constructor(candidates: readonly Candidate[], wanted: Requirements, random: Random) {
    const each = new Map(candidates.map((candidate) => [candidate.node, candidate]));
    this.#waiting = orderCandidates([...each.values()], wanted, random).slice(0, ASKED_MAX);
  }

  handle(input: MatchingIn, now: Instant, out: MatchingOut[]): void {
    switch (input.type) {
      case "start":
        return this.#askNext(now, out);
      case "reserved":
        return this.#reserved(input.node, input.vm, out);
      case "refused":
        return this.#refused(input, now, out);
      case "cancel":
        return this.#end();
      case "wake":
        return this.#hedge(now, out);
      default:
        return unreachable(input);
    }
  }

  wakeup(): Wakeup | undefined {
    return this.#hedgeAt === undefined ? undefined : { at: this.#hedgeAt, why: "ask the next" };
  }

  #askNext(now: Instant, out: MatchingOut[]): void {
    this.#hedgeAt = undefined;
    if (this.#over) return;
    const next = this.#waiting.shift();
    if (next === undefined) return this.#maybeLost(out);
    this.#asked.add(next.node);
    out.push({ type: "ask", node: next.node });
    if (this.#waiting.length === 0 || this.#asked.size >= ASKED_AT_ONCE_MAX) return;
    const trustedMs = next.trusted && !this.#waiting[0]?.trusted ? HEDGE_TRUSTED_MS : 0;
    const waitMs = Math.max(HEDGE_MS_MIN, HEDGE_RTTS * (next.rttMs ?? 0), trustedMs);
    this.#hedgeAt = after(now, waitMs);
  }

  #hedge(now: Instant, out: MatchingOut[]): void {
    if (this.#hedgeAt !== undefined && now >= this.#hedgeAt) this.#askNext(now, out);
  }

  #reserved(node: NodeId, vm: VmId, out: MatchingOut[]): void {
    if (!this.#asked.delete(node)) return;
    out.push({ type: this.#over ? "undo" : "won", node, vm });
    this.#end();
  }

  #refused(refusal: NoVm, now: Instant, out: MatchingOut[]): void {
    if (!this.#asked.delete(refusal.node) || this.#over) return;
    const { node, code, message, retryMs } = refusal;
    this.#tried.push({ node, code, message, retryMs });
    this.#askNext(now, out);
  }

  #maybeLost(out: MatchingOut[]): void {
    if (this.#asked.size > 0) return;
    this.#end();
    out.push({ type: "lost", why: mostTelling(this.#tried), tried: this.#tried });
  }

  #end(): void {
    this.#over = true;
    this.#hedgeAt = undefined;
  }
}

/** What a person can act upon comes first: a full provider may have room later. */
const TELLING: readonly ErrorCode[] = [
  "provider-full",
  "bad-size",
  "image-missing",
  "not-allowed",
  "vm-failed",
  "refused",
  "not-member",
];

function mostTelling(tried: readonly NoVm[]): NoVm | null {
  const rank = ({ code }: NoVm) => {
    const index = TELLING.indexOf(code);
    return index < 0 ? TELLING.length : index;
  };
  return tried.toSorted((a, b) => rank(a) - rank(b))[0] ?? null;
}
