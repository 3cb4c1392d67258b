/**
 * Rounds: one read of the directories of a network, page by page from each connected relay.
 *
 * ```text
 *   begin ─▶ waiting ──a relay is there──▶ reading ──all pages of all, or what was sought──▶ end
 *               └──tried in vain──────────────┴──its time is over───────────────────────────▶ end
 * ```
 *
 * @module
 */
import {
  after,
  type Answered,
  type Instant,
  type NetworkId,
  type PeerKey,
  splitPeerKey,
  Timers,
  type Wakeup,
} from "../base/mod.ts";
import { GOSSIP } from "./limits.ts";
import { RelayWait, type ToldRelays } from "./relay_wait.ts";
import type { DoorReason, GossipCalls, GossipOut, GossipOwnIn, Item } from "./types.ts";

/** What stands behind the rounds. */
export interface Library<I extends Item> {
  relays(network: NetworkId): ToldRelays | undefined;
  record(peer: PeerKey): I | undefined;
  /** Takes what a directory hands on; why it is left out, where it is. */
  take(network: NetworkId, bytes: Uint8Array, turn: Turn<I>): DoorReason | undefined;
  nextToken(): number;
}

/** One input's turn. */
export interface Turn<I extends Item> {
  readonly now: Instant;
  readonly out: GossipOut<I>[];
}

type Purpose =
  | { readonly type: "list"; readonly token: number }
  | { readonly type: "find"; readonly token: number; readonly peer: PeerKey };

interface Round {
  readonly network: NetworkId;
  readonly purpose: Purpose;
  /** `undefined`: it reads. */
  wait: RelayWait | undefined;
  /** How many pages were asked for where an answer is awaited, by the token of the ask. */
  readonly reading: Map<number, number>;
  /** Whether items came that are not of this node's time. */
  otherTimes: boolean;
}

/** The rounds under way. */
export class Rounds<I extends Item> {
  readonly #library: Library<I>;
  readonly #rounds = new Map<number, Round>();
  /** Which round a token of an ask belongs to. */
  readonly #asks = new Map<number, number>();
  readonly #ends = new Timers<number>();
  #nextRound = 1;

  constructor(library: Library<I>) {
    this.#library = library;
  }

  wakeup(): Wakeup | undefined {
    return this.#ends.next();
  }

  /** Whose record is wanted: what is known, else asked of the relays. */
  find(input: Extract<GossipOwnIn<never>, { type: "find" }>, turn: Turn<I>): void {
    const { token, peer } = input;
    const { network } = splitPeerKey(peer);
    const purpose = { type: "find", token, peer } as const;
    if (this.#isFound(purpose)) return this.#tellEnd({ network, purpose, otherTimes: false }, turn);
    this.#begin({ network, purpose }, input.timeoutMs, turn);
  }

  /** All records are wanted. */
  list(input: Extract<GossipOwnIn<never>, { type: "list" }>, turn: Turn<I>): void {
    const { network, token, timeoutMs } = input;
    this.#begin({ network, purpose: { type: "list", token } }, timeoutMs, turn);
  }

  /** The relays of a network are others, or it was left. */
  relaysChanged(network: NetworkId, turn: Turn<I>): void {
    for (const [id, round] of this.#rounds) {
      if (round.network === network) this.#advance(id, round, turn);
    }
  }

  /** A relay answered, or did not. */
  answered(
    { token, peer, result }: Extract<Answered<GossipCalls>, { name: "record.list" }>,
    turn: Turn<I>,
  ): void {
    const id = this.#asks.get(token);
    const round = id === undefined ? undefined : this.#rounds.get(id);
    if (id === undefined || round === undefined) return; // That one has ended.
    const pages = round.reading.get(token) ?? 0;
    this.#asks.delete(token);
    round.reading.delete(token);
    const { records, next } = result.ok ? result.answer : { records: [], next: null };
    for (const bytes of records) {
      const reason = this.#library.take(round.network, bytes, turn);
      if (reason === "not-yet-valid" || reason === "expired") round.otherTimes = true;
    }
    const isMore = next !== null && pages < GOSSIP.pagesMax && !this.#isFound(round.purpose);
    if (isMore) this.#ask(id, round, { relay: peer, after: next, pages: pages + 1 }, turn);
    if (this.#isFound(round.purpose) || round.reading.size === 0) this.#end(id, round, turn);
  }

  /** Ends those whose time is over. */
  wake(turn: Turn<I>): void {
    let due = this.#ends.takeDue(turn.now);
    for (; due !== undefined; due = this.#ends.takeDue(turn.now)) {
      const round = this.#rounds.get(due);
      if (round !== undefined) this.#end(due, round, turn);
    }
  }

  #begin(about: Pick<Round, "network" | "purpose">, timeoutMs: number, turn: Turn<I>): void {
    const relays = this.#library.relays(about.network);
    if (relays === undefined || this.#rounds.size >= GOSSIP.roundsMax) {
      return this.#tellEnd({ ...about, otherTimes: false }, turn);
    }
    const id = this.#nextRound++;
    const round = { ...about, wait: new RelayWait(relays), reading: new Map(), otherTimes: false };
    this.#rounds.set(id, round);
    this.#ends.set(id, after(turn.now, timeoutMs), "give up reading directories");
    const { network } = about;
    if (relays.home.length === 0) turn.out.push({ type: "relay-wanted", network });
    this.#advance(id, round, turn);
  }

  #advance(id: number, round: Round, turn: Turn<I>): void {
    const relays = this.#library.relays(round.network);
    if (relays === undefined) return this.#end(id, round, turn);
    if (round.wait?.isOver(relays) !== true) return;
    round.wait = undefined;
    for (const { peer: relay } of relays.home) {
      this.#ask(id, round, { relay, after: null, pages: 1 }, turn);
    }
    if (round.reading.size === 0) this.#end(id, round, turn);
  }

  #ask(
    id: number,
    { reading }: Round,
    page: { readonly relay: PeerKey; readonly after: string | null; readonly pages: number },
    { out }: Turn<I>,
  ): void {
    const { relay: peer, after, pages } = page;
    const token = this.#library.nextToken();
    reading.set(token, pages);
    this.#asks.set(token, id);
    const timeoutMs = GOSSIP.pageMs;
    out.push({ type: "ask", token, peer, name: "record.list", question: { after }, timeoutMs });
  }

  #isFound(purpose: Purpose): boolean {
    return purpose.type === "find" && this.#library.record(purpose.peer) !== undefined;
  }

  #end(id: number, round: Round, turn: Turn<I>): void {
    this.#rounds.delete(id);
    this.#ends.clear(id);
    for (const token of round.reading.keys()) this.#asks.delete(token);
    this.#tellEnd(round, turn);
  }

  #tellEnd(
    { network, purpose, otherTimes }: Pick<Round, "network" | "purpose" | "otherTimes">,
    { out }: Turn<I>,
  ): void {
    const { type, token } = purpose;
    if (type === "list") return void out.push({ type: "listed", token, network, otherTimes });
    const record = this.#library.record(purpose.peer) ?? null;
    out.push({ type: "found", token, peer: purpose.peer, record });
  }
}
