/**
 * Gets a session with a peer: the one that is there, or a new one through a relay that both use, or
 * straight to the addresses that the peer's record names. The path machine makes it direct later.
 *
 * ```text
 *   want ─▶ finding ──found──▶ asking a relay ──session──▶ dialing through it ─▶ reached
 *                      │          │ refused, silent          │ failed
 *                      │          └──▶ the next relay ◀──────┘
 *                      │                    │ none left
 *                      └─▶ dialing the addresses of its record ─▶ reached, or why not
 *   peer-up at any stage ─▶ reached            network-left at any stage ─▶ no-network
 * ```
 *
 * All who want one peer share one attempt; it goes on when one of them, or all, are late. Which relays
 * there are, the relay client says; where a peer is met, its record, which gossip finds.
 *
 * @module
 */
import {
  after,
  type Answered,
  BoundedMap,
  type Dialed,
  earlier,
  type Instant,
  type NetworkId,
  type Part,
  type PeerKey,
  splitPeerKey,
  Timers,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import { relayedPath } from "../wire/mod.ts";
import { Attempt } from "./attempt.ts";
import { REACH } from "./limits.ts";
import type {
  Failure,
  HomeRelay,
  ReachCalls,
  ReachIn,
  ReachOut,
  ReachOwnIn,
  ReachOwnOut,
  Unreached,
} from "./types.ts";

interface Turn {
  readonly now: Instant;
  readonly out: ReachOut[];
}

/** Whom a token of ours is about: an attempt at a peer, or a want of an address. */
type Meant =
  | { readonly type: "attempt"; readonly attempt: Attempt }
  | { readonly type: "address"; readonly want: number };

/** A want: of a peer, or of an address, by its dial. */
type Want =
  | { readonly type: "peer"; readonly peer: PeerKey }
  | { readonly type: "address"; readonly network: NetworkId; readonly dial: number };

/** Reaches the peers that are wanted. */
export class ReachMachine
  implements Part<ReachOwnIn, ReachOwnOut, ReachCalls, Record<never, never>> {
  /** The connected relays of each network of this node. */
  readonly #relays = new Map<NetworkId, readonly HomeRelay[]>();
  /** Peers with a session. */
  readonly #peers = new BoundedMap<PeerKey, true>(REACH.peersMax, "evict-oldest");
  readonly #attempts = new Map<PeerKey, Attempt>();
  readonly #wants = new Map<number, Want>();
  /** Finds, asks and dials under way. */
  readonly #meant = new Map<number, Meant>();
  readonly #wantEnds = new Timers<number>();
  readonly #dialEnds = new Timers<number>();
  #nextToken = 1;

  handle(input: ReachIn, now: Instant, out: ReachOut[]): void {
    const turn = { now, out };
    switch (input.type) {
      case "network":
        return void this.#relays.set(input.network, this.#relays.get(input.network) ?? []);
      case "network-left":
        return this.#onLeft(input.network, turn);
      case "relays":
        if (this.#relays.has(input.network)) this.#relays.set(input.network, input.home);
        return;
      case "want":
        return this.#want(input, turn);
      case "want-address":
        return this.#wantAddress(input, turn);
      case "unwant":
        return this.#forget(input.token, turn);
      case "found":
        return this.#onFound(input, turn);
      case "peer-up":
        this.#peers.set(input.peer, true);
        return this.#succeed(input.peer, turn);
      case "peer-down":
        return void this.#peers.delete(input.peer);
      case "answered":
        return this.#onAllocated(input, turn);
      case "dialed":
      case "dial-failed":
        return this.#onDialed(input, turn);
      case "peer-moved": // The relay client tells of relays' paths.
        return;
      case "wake":
        return this.#onWake(turn);
      default:
        unreachable(input);
    }
  }

  wakeup(): Wakeup | undefined {
    return earlier(this.#wantEnds.next(), this.#dialEnds.next());
  }

  // Wants ----------------------------------------------------------------------------------------

  #want(
    { token, peer, timeoutMs }: Extract<ReachOwnIn, { type: "want" }>,
    turn: Turn,
  ): void {
    const { now, out } = turn;
    if (this.#peers.has(peer)) return void out.push({ type: "reached", token, peer });
    const known = this.#attempts.get(peer);
    const isFull = known === undefined && this.#attempts.size >= REACH.attemptsMax;
    const refusal = this.#refusal(splitPeerKey(peer).network, isFull);
    if (refusal !== undefined) return void out.push({ type: "unreached", token, why: refusal });
    this.#wants.set(token, { type: "peer", peer });
    this.#wantEnds.set(token, after(now, timeoutMs), "who wants a peer waits no longer");
    const attempt = known ?? this.#begin(peer, turn);
    attempt.wants.add(token);
  }

  #wantAddress(
    input: Extract<ReachOwnIn, { type: "want-address" }>,
    turn: Turn,
  ): void {
    const { token, network, node, address, timeoutMs } = input;
    const { now, out } = turn;
    const refusal = this.#refusal(network, false);
    if (refusal !== undefined) return void out.push({ type: "unreached", token, why: refusal });
    const dial = this.#token({ type: "address", want: token });
    this.#wants.set(token, { type: "address", network, dial });
    this.#wantEnds.set(token, after(now, timeoutMs), "who wants an address waits no longer");
    this.#dialEnds.set(dial, after(now, REACH.dialMs), "nobody answers there");
    out.push({ type: "dial", token: dial, network, node, addresses: [address], named: "person" });
  }

  #refusal(network: NetworkId, isFull: boolean): Unreached | undefined {
    if (!this.#relays.has(network)) return { reason: "no-network" };
    return isFull || this.#wants.size >= REACH.wantsMax ? { reason: "busy" } : undefined;
  }

  /** Nobody waits for that any more: an attempt goes on, for who wants the peer next. */
  #forget(token: number, { out }: Turn): void {
    const want = this.#wants.get(token);
    this.#wants.delete(token);
    this.#wantEnds.clear(token);
    if (want?.type === "peer") this.#attempts.get(want.peer)?.wants.delete(token);
    if (want?.type !== "address" || !this.#meant.delete(want.dial)) return;
    this.#dialEnds.clear(want.dial);
    out.push({ type: "undial", token: want.dial });
  }

  #endWant(token: number, why: Unreached, turn: Turn): void {
    this.#forget(token, turn);
    turn.out.push({ type: "unreached", token, why });
  }

  // Attempts -------------------------------------------------------------------------------------

  #begin(peer: PeerKey, { out }: Turn): Attempt {
    const attempt: Attempt = new Attempt(peer, this.#nextToken);
    const token = this.#token({ type: "attempt", attempt });
    this.#attempts.set(peer, attempt);
    out.push({ type: "find", token, peer, timeoutMs: REACH.findMs });
    return attempt;
  }

  #onFound({ token, record }: Extract<ReachOwnIn, { type: "found" }>, turn: Turn): void {
    const attempt = this.#take(token, "finding");
    if (attempt === undefined) return;
    attempt.found(record, this.#home(attempt.peer));
    this.#next(attempt, turn);
  }

  /** Goes the next way, or ends where none is left. */
  #next(attempt: Attempt, turn: Turn): void {
    const { peer } = attempt;
    const way = attempt.nextWay();
    if (way === undefined) {
      return this.#fail(attempt, attempt.conclusion(this.#home(peer).length > 0), turn);
    }
    if (way.type === "addresses") return this.#dial(attempt, way.addresses, null, turn);
    const { relay } = way;
    const token = this.#token({ type: "attempt", attempt });
    attempt.stage = { type: "asking", token, relay };
    const ask = { name: "relay.allocate", timeoutMs: REACH.allocateMs } as const;
    const question = { peer: splitPeerKey(peer).node };
    turn.out.push({ type: "ask", token, peer: relay, question, ...ask });
  }

  #onAllocated({ token, peer: relay, result }: Answered<ReachCalls>, turn: Turn): void {
    const attempt = this.#take(token, "asking");
    if (attempt === undefined) return;
    if (!result.ok) {
      const failure: Failure = "refused" in result
        ? { type: "refused", relay, refused: result.refused }
        : { type: "unanswered", relay, failed: result.failed };
      return this.#wayFailed(attempt, failure, turn);
    }
    const { session, address } = result.answer;
    turn.out.push({ type: "relay-saw", relay, peer: attempt.peer, address });
    const home = this.#home(relay).find(({ peer }) => peer === relay);
    if (home === undefined) return this.#wayFailed(attempt, { type: "relay-gone", relay }, turn);
    this.#dial(attempt, [relayedPath(home.path, session)], relay, turn);
  }

  #dial(
    attempt: Attempt,
    addresses: readonly string[],
    relay: PeerKey | null,
    { now, out }: Turn,
  ): void {
    const { network, node } = splitPeerKey(attempt.peer);
    const token = this.#token({ type: "attempt", attempt });
    attempt.stage = { type: "dialing", token, relay };
    this.#dialEnds.set(token, after(now, REACH.dialMs), "the peer does not answer there");
    out.push({ type: "dial", token, network, node, addresses, named: "record" });
  }

  #onDialed(dialed: Dialed, turn: Turn): void {
    const { token } = dialed;
    const meant = this.#meant.get(token);
    this.#meant.delete(token);
    this.#dialEnds.clear(token);
    if (meant === undefined) return;
    if (dialed.type === "dialed") {
      if (meant.type === "attempt") return this.#succeed(meant.attempt.peer, turn);
      this.#forget(meant.want, turn);
      return void turn.out.push({ type: "reached", token: meant.want, peer: dialed.peer });
    }
    const { reason, detail } = dialed;
    const failure = { type: "dial-failed", reason, detail } as const;
    if (meant.type === "attempt") return this.#wayFailed(meant.attempt, failure, turn);
    this.#endWant(meant.want, { reason: "failed", failure }, turn);
  }

  #wayFailed(attempt: Attempt, failure: Failure, turn: Turn): void {
    const why = attempt.failed(failure);
    if (why === undefined) return this.#next(attempt, turn);
    this.#fail(attempt, why, turn);
  }

  #fail(attempt: Attempt, why: Unreached, turn: Turn): void {
    this.#end(attempt, turn);
    for (const want of [...attempt.wants]) this.#endWant(want, why, turn);
  }

  /** There is a session, whoever began it. */
  #succeed(peer: PeerKey, turn: Turn): void {
    const attempt = this.#attempts.get(peer);
    if (attempt === undefined) return;
    this.#end(attempt, turn);
    for (const token of [...attempt.wants]) {
      this.#forget(token, turn);
      turn.out.push({ type: "reached", token, peer });
    }
  }

  #end(attempt: Attempt, { out }: Turn): void {
    this.#attempts.delete(attempt.peer);
    const { stage: { type, token } } = attempt;
    if (!this.#meant.delete(token) || type !== "dialing") return;
    this.#dialEnds.clear(token);
    out.push({ type: "undial", token });
  }

  // Networks and time ----------------------------------------------------------------------------

  #onLeft(network: NetworkId, turn: Turn): void {
    this.#relays.delete(network);
    for (const attempt of [...this.#attempts.values()]) {
      if (splitPeerKey(attempt.peer).network !== network) continue;
      this.#fail(attempt, { reason: "no-network" }, turn);
    }
    for (const [token, want] of [...this.#wants]) {
      if (want.type !== "address" || want.network !== network) continue;
      this.#endWant(token, { reason: "no-network" }, turn);
    }
  }

  #onWake(turn: Turn): void {
    const { now, out } = turn;
    let want = this.#wantEnds.takeDue(now);
    for (; want !== undefined; want = this.#wantEnds.takeDue(now)) {
      this.#endWant(want, { reason: "late" }, turn);
    }
    let dial = this.#dialEnds.takeDue(now);
    for (; dial !== undefined; dial = this.#dialEnds.takeDue(now)) {
      out.push({ type: "undial", token: dial });
      this.#onDialed({ type: "dial-failed", token: dial, reason: "timeout", detail: null }, turn);
    }
  }

  #home(peer: PeerKey): readonly HomeRelay[] {
    return this.#relays.get(splitPeerKey(peer).network) ?? [];
  }

  #token(meant: Meant): number {
    const token = this.#nextToken++;
    this.#meant.set(token, meant);
    return token;
  }

  /** The attempt that waits for that, which is over now. */
  #take(token: number, stage: Attempt["stage"]["type"]): Attempt | undefined {
    const meant = this.#meant.get(token);
    if (meant?.type !== "attempt" || meant.attempt.stage.type !== stage) return undefined;
    this.#meant.delete(token);
    return meant.attempt;
  }
}
