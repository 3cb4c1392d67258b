/**
 * What a relay does for members: joins two of them in a session whose bytes it cannot read. It knows
 * where they are by the direct paths that their own sessions with it have proved, and tells the data
 * path which two addresses belong together; it forwards nothing itself.
 *
 * ```text
 *  idle ──relay-serve──▶ serving
 *
 *  relay.allocate ─▶ refused: not registered, a limit
 *                 ─▶ set ─▶ offered to the other side ─┬─ taken ──▶ answered
 *                                                      └─ not ────▶ refused; one that nobody ever took is removed
 *  set ─▶ nothing forwarded for SESSION_IDLE_MS, or a side left ─▶ removed
 * ```
 *
 * @module
 */
import {
  after,
  type Answered,
  type Asked,
  BoundedMap,
  type Instant,
  type NodeId,
  type Part,
  type PartIn,
  type PartOut,
  type PeerChange,
  type PeerKey,
  peerKey,
  type Random,
  type Refused,
  splitPeerKey,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import { hopOf, isRelayed } from "../wire/mod.ts";
import { RelayBook, type RelaySession } from "./book.ts";
import type { AllocateCalls, OfferCalls } from "./calls.ts";
import type { RelayLimits } from "./limits.ts";
import { putOff, refusalOf, unregistered, UNSERVED, untaken } from "./refusals.ts";

/** How often the data path is asked what it forwarded, while there are sessions. Guess. */
export const SWEEP_MS = 15_000;
/** How long the other side may take to accept. Guess. */
export const OFFER_MS = 3_000;
/** Offers under way at one time; beyond, who asks is put off. Guess: far more than a relay has at a restart. */
export const OFFERS_MAX = 4_096;
/** Members whose address is remembered: as many as may have a session with a node. */
const MEMBERS_MAX = 16_384;

/** Inputs of a relay besides those of every part. */
export type RelayServerIn =
  /** Serve from now on. */
  | { readonly type: "relay-serve"; readonly limits: RelayLimits }
  /** What the data path counts: how long ago each session forwarded something. */
  | {
    readonly type: "relay-used";
    readonly sessions: readonly { readonly session: number; readonly idleMs: number }[];
  };

/** Outputs of a relay besides those of every part. */
export type RelayServerOut =
  /** What the data path may carry; said before any session. */
  | { readonly type: "relay-limits"; readonly limits: RelayLimits }
  /** Forward between two addresses from now on, `IP:PORT` each; a known session has moved. */
  | {
    readonly type: "relay-set";
    readonly session: number;
    readonly a: string;
    readonly b: string;
  }
  /** Forward no more; the data path may have ended it already. */
  | { readonly type: "relay-remove"; readonly session: number }
  /** Tell how the sessions are used: answered by `relay-used`. */
  | { readonly type: "relay-usage" };

/** A pair of members that a relay joins. */
export interface RelayedPair {
  readonly session: number;
  readonly a: NodeId;
  readonly b: NodeId;
}

/** A session that was offered, and the call that waits for it. */
interface Offer {
  readonly session: number;
  readonly call: number;
}

type In = RelayServerIn | PartIn<OfferCalls, AllocateCalls>;
type Out = RelayServerOut | PartOut<OfferCalls, AllocateCalls>;

/** The relay of a node; it serves nobody until it is told to. */
export class RelayServerMachine
  implements Part<RelayServerIn, RelayServerOut, OfferCalls, AllocateCalls> {
  readonly #random: Random;
  readonly #registered = new BoundedMap<PeerKey, string>(MEMBERS_MAX, "evict-oldest");
  readonly #offers = new BoundedMap<number, Offer>(OFFERS_MAX, "refuse");
  /** Sessions that no other side has taken yet, with their offers under way. */
  readonly #untaken = new Map<number, number>();
  #serving: { readonly book: RelayBook; readonly limits: RelayLimits } | undefined;
  #sweepAt: Instant | undefined;
  #nextToken = 1;

  constructor(random: Random) {
    this.#random = random;
  }

  handle(input: In, now: Instant, out: Out[]): void {
    switch (input.type) {
      case "relay-serve":
        return this.#serve(input.limits, out);
      case "relay-used":
        return this.#onUsed(input.sessions, now, out);
      case "asked":
        return this.#onAsked(input, now, out);
      case "answered":
        return this.#onAnswered(input, out);
      case "peer-moved":
        return this.#onMoved(input, out);
      case "peer-down":
        return this.#onDown(input, out);
      case "wake":
        return this.#onWake(now, out);
      case "peer-up":
      case "dialed":
      case "dial-failed":
        return;
      default:
        unreachable(input);
    }
  }

  wakeup(): Wakeup | undefined {
    return this.#sweepAt && { at: this.#sweepAt, why: "the relay looks for idle sessions" };
  }

  /** What it may carry; `undefined` where this node is no relay. */
  limits(): RelayLimits | undefined {
    return this.#serving?.limits;
  }

  /** Whom it joins, the oldest session first. */
  pairs(): RelayedPair[] {
    const all = this.#serving?.book.all() ?? [];
    return all.map(({ id, a, b }) => {
      return { session: id, a: splitPeerKey(a.peer).node, b: splitPeerKey(b.peer).node };
    });
  }

  #serve(limits: RelayLimits, out: Out[]): void {
    if (this.#serving !== undefined) return;
    this.#serving = { book: new RelayBook(this.#random, limits.sessions), limits };
    out.push({ type: "relay-limits", limits });
  }

  // Allocation -----------------------------------------------------------------------------------

  #onAsked({ call, from, question }: Asked<AllocateCalls>, now: Instant, out: Out[]): void {
    const joined = this.#join(from, question.peer, now);
    if (!joined.ok) {
      return void out.push({ type: "reply", call, ok: false, refused: joined.refused });
    }
    const { session } = joined;
    const token = this.#nextToken++;
    this.#offers.set(token, { session: session.id, call });
    this.#sweepAt ??= after(now, SWEEP_MS);
    out.push(setOf(session));
    const { node } = splitPeerKey(from);
    out.push({
      type: "ask",
      token,
      peer: session.b.peer,
      name: "relay.offer",
      question: { session: session.id, peer: node, address: session.a.address },
      timeoutMs: OFFER_MS,
    });
  }

  /** The session between two members, or why there is none. */
  #join(
    from: PeerKey,
    node: string,
    now: Instant,
  ):
    | { readonly ok: true; readonly session: RelaySession }
    | { readonly ok: false; readonly refused: Refused } {
    if (this.#serving === undefined) return { ok: false, refused: UNSERVED };
    const other = peerKey(splitPeerKey(from).network, node as NodeId);
    const [a, b] = [this.#registered.get(from), this.#registered.get(other)];
    if (a === undefined) return { ok: false, refused: unregistered(from) };
    if (b === undefined) return { ok: false, refused: unregistered(other) };
    if (this.#offers.size >= OFFERS_MAX) return { ok: false, refused: putOff(OFFER_MS) };
    const { book } = this.#serving;
    const isKnown = book.joins(from, other);
    const ends = [{ peer: from, address: a }, { peer: other, address: b }] as const;
    const allocated = book.allocate(...ends, now);
    if (!allocated.ok) return { ok: false, refused: refusalOf(allocated.reason) };
    const { id } = allocated.value;
    const offers = this.#untaken.get(id);
    if (!isKnown || offers !== undefined) this.#untaken.set(id, 1 + (offers ?? 0));
    return { ok: true, session: allocated.value };
  }

  #onAnswered({ token, peer, result }: Answered<OfferCalls>, out: Out[]): void {
    const offer = this.#offers.get(token);
    if (offer === undefined) return;
    this.#offers.delete(token);
    const { call } = offer;
    const session = this.#serving?.book.get(offer.session);
    if (!result.ok) {
      this.#giveUp(offer.session, out);
      return void out.push({ type: "reply", call, ok: false, refused: untaken(peer, result) });
    }
    if (session === undefined) { // it left, or moved away from here, after it had accepted
      return void out.push({ type: "reply", call, ok: false, refused: unregistered(peer) });
    }
    this.#untaken.delete(session.id);
    const { address } = session.a.peer === peer ? session.a : session.b;
    const answer = { session: session.id, address };
    out.push({ type: "reply", call, name: "relay.allocate", ok: true, answer });
  }

  /** An offer was in vain. What was taken before may carry something, and another offer may be taken yet. */
  #giveUp(session: number, out: Out[]): void {
    const offers = this.#untaken.get(session);
    if (offers === undefined) return;
    if (offers > 1) this.#untaken.set(session, offers - 1);
    else this.#remove(session, out);
  }

  // Members and sessions -------------------------------------------------------------------------

  /** Only a direct path tells where a member is; where the other side was, there is nobody to join. */
  #onMoved({ peer, path }: Extract<PeerChange, { type: "peer-moved" }>, out: Out[]): void {
    if (path === null || isRelayed(path)) return void this.#registered.delete(peer);
    const address = hopOf(path);
    this.#registered.set(peer, address);
    for (const session of this.#serving?.book.moved({ peer, address }) ?? []) {
      if (session.a.address === session.b.address) this.#remove(session.id, out);
      else out.push(setOf(session));
    }
  }

  /** Who left, or may not stay, is forwarded to no more; who was lost may come back in a moment. */
  #onDown({ peer, reason }: Extract<PeerChange, { type: "peer-down" }>, out: Out[]): void {
    this.#registered.delete(peer);
    if (reason !== "left" && reason !== "closed") return;
    for (const { id } of this.#serving?.book.left(peer) ?? []) this.#remove(id, out);
  }

  #onWake(now: Instant, out: Out[]): void {
    if (this.#sweepAt === undefined || now < this.#sweepAt) return;
    const isUsed = (this.#serving?.book.size ?? 0) > 0;
    this.#sweepAt = isUsed ? after(now, SWEEP_MS) : undefined;
    if (isUsed) out.push({ type: "relay-usage" });
  }

  #onUsed(
    sessions: Extract<RelayServerIn, { type: "relay-used" }>["sessions"],
    now: Instant,
    out: Out[],
  ): void {
    const book = this.#serving?.book;
    for (const { session, idleMs } of sessions) book?.used(session, idleMs, now);
    for (const { id } of book?.expire(now) ?? []) this.#remove(id, out);
  }

  #remove(session: number, out: Out[]): void {
    this.#serving?.book.remove(session);
    this.#untaken.delete(session);
    out.push({ type: "relay-remove", session });
  }
}

function setOf({ id, a, b }: RelaySession): Extract<RelayServerOut, { type: "relay-set" }> {
  return { type: "relay-set", session: id, a: a.address, b: b.address };
}
