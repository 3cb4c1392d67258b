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
 * Offers are what providers said of themselves a while ago, so they order the attempts and exclude
 * nobody. Left out: price, reputation, measured speed.
 *
 * @module
 */
import {
  after,
  type ErrorCode,
  type Instant,
  type Machine,
  type NodeId,
  unreachable,
  type VmId,
  type Wakeup,
} from "../base/mod.ts";
import { fits, type Offer } from "./offer.ts";
import type { Requirements } from "./requirements.ts";

/** A provider that may be asked. */
export interface Candidate {
  readonly node: NodeId;
  readonly offer: Offer;
  /** Round-trip time of its best path, or of the way by its relay; `null` where unknown. */
  readonly rttMs: number | null;
}

/** Candidates in the order of asking: accepting ones first, then those that fit, then by RTT. */
export function orderCandidates(
  candidates: readonly Candidate[],
  wanted: Requirements,
): readonly Candidate[] {
  return candidates.toSorted((a, b) =>
    Number(b.offer.accepting) - Number(a.offer.accepting) ||
    Number(fits(b.offer, wanted)) - Number(fits(a.offer, wanted)) ||
    compareRtt(a.rttMs, b.rttMs) ||
    (a.node < b.node ? -1 : 1)
  );
}

/** Providers asked at once. Guess: two slow ones do not hold up the third. */
export const ASKED_AT_ONCE_MAX = 3;

/** Providers asked in all for one request. Guess. */
export const ASKED_MAX = 16;

/** An answer takes one round trip and a reservation's moment; later than this the next is asked. */
const HEDGE_MS_MIN = 300; // guess: beyond any answer of a healthy provider that is near
const HEDGE_RTTS = 3;

/** Why a provider gave no VM. */
export interface NoVm {
  readonly node: NodeId;
  readonly code: ErrorCode;
  readonly message: string;
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
    readonly code: ErrorCode;
    readonly message: string;
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
  constructor(candidates: readonly Candidate[], wanted: Requirements) {
    const each = new Map(candidates.map((candidate) => [candidate.node, candidate]));
    this.#waiting = orderCandidates([...each.values()], wanted).slice(0, ASKED_MAX);
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
    this.#hedgeAt = after(now, Math.max(HEDGE_MS_MIN, HEDGE_RTTS * (next.rttMs ?? 0)));
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
    const { node, code, message } = refusal;
    this.#tried.push({ node, code, message });
    this.#askNext(now, out);
  }

  #maybeLost(out: MatchingOut[]): void {
    if (this.#asked.size > 0) return;
    this.#end();
    out.push({ type: "lost", ...mostTelling(this.#tried), tried: this.#tried });
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
  "not-allowed",
  "refused",
  "not-member",
];

function mostTelling(tried: readonly NoVm[]): { code: ErrorCode; message: string } {
  const rank = ({ code }: NoVm) => {
    const index = TELLING.indexOf(code);
    return index < 0 ? TELLING.length : index;
  };
  const [best] = tried.toSorted((a, b) => rank(a) - rank(b));
  return best === undefined
    ? { code: "no-provider", message: "no provider of the network is known" }
    : { code: best.code, message: best.message };
}

function compareRtt(a: number | null, b: number | null): number {
  if (a === b) return 0;
  return (a ?? Infinity) - (b ?? Infinity);
}
