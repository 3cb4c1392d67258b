/**
 * Gossip, in its first form, the directory: every node tells the relays of its networks its record, and
 * asks them for the others'. A relay keeps what its members publish, and hands it out page by page.
 *
 * ```text
 *   facts, homes ─▶ sign ─▶ ┌──────────┐ ─▶ record.publish to relays that do not know it ─▶ announced
 *   find, list ───────────▶ │  store   │ ─▶ record.list ──▶ verify ──▶ store ──▶ found, listed
 *   record.publish ─verify▶ │          │
 *   record.list ──────────▶ └──────────┘ ─▶ pages; relay-records where one changed
 * ```
 *
 * Whatever comes in passes one door, `verify`, and whatever goes out was in the store: items of other
 * kinds, neighbours and anti-entropy take the place of the directory without touching either. It keeps
 * no session and knows no certificate; which relays there are, the relay client says.
 *
 * @module
 */
import {
  after,
  type Answered,
  type Asked,
  BoundedMap,
  Bucket,
  earlier,
  type Instant,
  type NamedNode,
  type NetworkId,
  type NodeId,
  type Part,
  type PeerKey,
  type Random,
  splitPeerKey,
  Timers,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import { Announcements } from "./announcements.ts";
import { refusalOf, serve } from "./directory.ts";
import { ItemStore, type PutOutcome } from "./item_store.ts";
import { GOSSIP } from "./limits.ts";
import { OwnRecords, type Signing } from "./own_records.ts";
import { Rounds, type Turn } from "./rounds.ts";
import { Spread } from "./spread.ts";
import type {
  DoorReason,
  GossipCalls,
  GossipIn,
  GossipOut,
  GossipOwnIn,
  GossipOwnOut,
  Item,
  KnownRelays,
  Verify,
} from "./types.ts";

/** With what gossip is made. */
export interface GossipOptions<I extends Item, Facts> extends Signing<Facts> {
  readonly self: NodeId;
  readonly random: Random;
  /** How far two members' clocks may be apart. */
  readonly clockSlackMs: number;
  /** Unix milliseconds, as the door sees them. */
  wallMs(): number;
  readonly verify: Verify<I>;
  /** Default: `GOSSIP.itemsMax`. */
  readonly itemsMax?: number;
}

/** A network of this node. */
interface Net<I extends Item, Facts> {
  facts: Facts;
  readonly store: ItemStore<I>;
  home: KnownRelays["home"];
  isTrying: boolean;
  /** How often we were told of its relays. */
  told: number;
  /** Whether a relay's record changed in this turn. */
  hasNews: boolean;
}

/** The gossip of one node in all of its networks. */
export class GossipMachine<I extends Item, Facts>
  implements Part<GossipOwnIn<Facts>, GossipOwnOut<I>, GossipCalls, GossipCalls> {
  readonly #options: GossipOptions<I, Facts>;
  /** As many as the node joined. */
  readonly #nets = new Map<NetworkId, Net<I, Facts>>();
  /** What the certificates of peers with a session grant. */
  readonly #grants = new BoundedMap<PeerKey, readonly string[]>(GOSSIP.peersMax, "evict-oldest");
  readonly #own: OwnRecords<Facts>;
  readonly #spread: Spread;
  readonly #rounds: Rounds<I>;
  readonly #announcements = new Announcements();
  readonly #due = new Timers<"tell" | "renew" | "sweep">();
  readonly #changes = new Bucket(GOSSIP.tellRate, 0 as Instant);
  /** Whether a change waits to be told. */
  #isSoon = false;
  #isServing = false;
  #nextToken = 1;

  constructor(options: GossipOptions<I, Facts>) {
    this.#options = options;
    this.#own = new OwnRecords(options);
    this.#spread = new Spread(options.random);
    this.#rounds = new Rounds({
      relays: (network) => this.#nets.get(network),
      record: (peer) => this.record(peer),
      take: (network, bytes, turn) => this.#take(network, bytes, turn),
      nextToken: () => this.#nextToken++,
    });
  }

  handle(input: GossipIn<Facts>, now: Instant, out: GossipOut<I>[]): void {
    const turn = { now, out };
    this.#handle(input, turn);
    this.#announce(turn);
    for (const [network, net] of this.#nets) {
      if (!net.hasNews) continue;
      net.hasNews = false;
      const relays = net.store.withRole("relay", this.#options.wallMs());
      out.push({ type: "relay-records", network, relays });
    }
  }

  wakeup(): Wakeup | undefined {
    const tells = earlier(this.#due.next(), this.#spread.wakeup());
    return earlier(tells, earlier(this.#rounds.wakeup(), this.#announcements.wakeup()));
  }

  /** The current record of a peer. */
  record(peer: PeerKey): I | undefined {
    const { network, node } = splitPeerKey(peer);
    return this.#nets.get(network)?.store.get(node, this.#options.wallMs());
  }

  /** The current records of a network, our own among them; of one role only, where that is given. */
  records(network: NetworkId, role?: string): I[] {
    const store = this.#nets.get(network)?.store;
    const nowMs = this.#options.wallMs();
    if (store === undefined) return [];
    return role === undefined ? store.list(nowMs) : store.withRole(role, nowMs);
  }

  #handle(input: GossipIn<Facts>, turn: Turn<I>): void {
    switch (input.type) {
      case "serve":
        this.#isServing = true;
        return;
      case "network":
        return this.#onNetwork(input, turn);
      case "network-left":
        return this.#onLeft(input.network, turn);
      case "relays":
        return this.#onRelays(input, turn);
      case "find":
        return this.#rounds.find(input, turn);
      case "list":
        return this.#rounds.list(input, turn);
      case "announce":
        return this.#announcements.begin(input, [...this.#nets], turn);
      case "peer-up":
        return this.#onPeerUp(input, turn);
      case "peer-down":
        this.#grants.delete(input.peer);
        return this.#spread.forget(input.peer);
      case "asked":
        return this.#serve(input, turn);
      case "answered":
        return this.#onAnswered(input, turn);
      case "wake":
        return this.#onWake(turn);
      case "peer-moved": // The relay client tells of relays' paths.
      case "dialed":
      case "dial-failed": // It dials nobody.
        return;
      default:
        unreachable(input);
    }
  }

  // Networks and relays --------------------------------------------------------------------------

  #onNetwork(
    { network, facts }: Extract<GossipOwnIn<Facts>, { type: "network" }>,
    turn: Turn<I>,
  ): void {
    const known = this.#nets.get(network);
    if (known !== undefined) known.facts = facts;
    else {
      const { itemsMax = GOSSIP.itemsMax, clockSlackMs } = this.#options;
      const store = new ItemStore<I>({ itemsMax, clockSlackMs });
      const net = { facts, store, home: [], isTrying: false, told: 0, hasNews: false };
      this.#nets.set(network, net);
      this.#due.set("sweep", after(turn.now, GOSSIP.sweepMs), "drop expired records");
    }
    this.#tellSoon(turn);
  }

  #onLeft(network: NetworkId, turn: Turn<I>): void {
    for (const { peer } of this.#nets.get(network)?.home ?? []) this.#spread.forget(peer);
    this.#nets.delete(network);
    this.#own.forget(network);
    this.#rounds.relaysChanged(network, turn);
  }

  #onRelays(
    { network, home, isTrying }: Extract<GossipOwnIn<Facts>, { type: "relays" }>,
    turn: Turn<I>,
  ): void {
    const net = this.#nets.get(network);
    if (net === undefined) return;
    const isChanged = peersOf(net) !== peersOf({ home });
    net.home = home;
    net.isTrying = isTrying;
    net.told++;
    if (isChanged) this.#tellSoon(turn);
    this.#rounds.relaysChanged(network, turn);
  }

  #onPeerUp(
    { peer, grants, renewed }: Extract<GossipIn<Facts>, { type: "peer-up" }>,
    turn: Turn<I>,
  ): void {
    this.#grants.set(peer, grants);
    if (renewed) return;
    this.#spread.forget(peer); // it may have begun anew
    const home = this.#nets.get(splitPeerKey(peer).network)?.home ?? [];
    if (home.some((relay) => relay.peer === peer)) this.#tellSoon(turn);
  }

  // Telling --------------------------------------------------------------------------------------

  /**
   * Tells the relays what changed in a moment, which nothing that changes meanwhile puts off; a relay that
   * comes and goes all the time is a change each time.
   */
  #tellSoon({ now }: Turn<I>): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    const waitMs = this.#changes.has(1, now) ? GOSSIP.tellAfterMs : GOSSIP.tellLateMs;
    this.#due.set("tell", after(now, waitMs), "tell relays our record");
  }

  #tellAll(turn: Turn<I>): void {
    this.#isSoon = false;
    this.#due.clear("tell");
    for (const [network, net] of this.#nets) this.#tell(network, net, turn);
    this.#due.set("renew", after(turn.now, this.#options.renewAfterMs), "renew our record");
  }

  /** Tells every connected relay of a network that does not know it. */
  #tell(network: NetworkId, net: Net<I, Facts>, { now, out }: Turn<I>): void {
    const nowMs = this.#options.wallMs();
    const content = { facts: net.facts, relays: homesOf(net) };
    const own = this.#own.current(network, content, nowMs);
    if (own.isNew) {
      this.#changes.take(1, now);
      out.push({ type: "keep", key: "record-seq", value: own.seq });
      const verified = this.#options.verify(own.bytes, { network, speaker: null });
      if (verified.ok) this.#put(net, verified.value);
    }
    for (const { peer } of net.home) {
      const token = this.#nextToken;
      if (!this.#spread.begin(peer, own, token)) continue;
      this.#nextToken++;
      const [name, timeoutMs] = ["record.publish" as const, GOSSIP.tellMs];
      out.push({ type: "ask", token, peer, name, question: { record: own.bytes }, timeoutMs });
    }
  }

  /** Goes on with what waits until our records are known. */
  #announce(turn: Turn<I>): void {
    this.#announcements.advance({
      relays: (network) => this.#nets.get(network),
      tell: (network) => {
        const net = this.#nets.get(network);
        if (net !== undefined) this.#tell(network, net, turn);
      },
      isAsking: (relay) => this.#spread.isAsking(relay),
    }, turn);
  }

  // The store, and serving it --------------------------------------------------------------------

  #take(network: NetworkId, bytes: Uint8Array, { out }: Turn<I>): DoorReason | undefined {
    const verified = this.#options.verify(bytes, { network, speaker: null });
    if (!verified.ok) return verified.reason;
    const outcome = this.#put(this.#nets.get(network), verified.value);
    if (outcome === "conflict" && verified.value.id === this.#options.self) {
      const what = "another node runs with this node's key";
      out.push({ type: "tell", level: "error", what, fields: {} });
    }
    return undefined;
  }

  #put(net: Net<I, Facts> | undefined, item: I): PutOutcome | undefined {
    if (net === undefined) return undefined;
    const nowMs = this.#options.wallMs();
    const before = net.store.get(item.id, nowMs);
    const outcome = net.store.put(item, nowMs);
    const isKept = outcome === "new" || outcome === "newer";
    const isRelay = item.roles.includes("relay") || before?.roles.includes("relay") === true;
    if (isKept && isRelay) net.hasNews = true;
    return outcome;
  }

  #serve(asked: Asked<GossipCalls>, { out }: Turn<I>): void {
    const { network, node } = splitPeerKey(asked.from);
    const net = this.#nets.get(network);
    const nowMs = this.#options.wallMs();
    out.push(serve(asked, {
      isServed: this.#isServing,
      page: (from) => net?.store.page(from, nowMs) ?? { items: [], more: false },
      publish: (bytes) => {
        const grants = this.#grants.get(asked.from) ?? [];
        const verified = this.#options.verify(bytes, { network, speaker: { node, grants } });
        if (!verified.ok) return refusalOf(verified.reason);
        this.#put(net, verified.value);
        return undefined;
      },
    }));
  }

  // Answers and time -----------------------------------------------------------------------------

  #onAnswered(answered: Answered<GossipCalls>, turn: Turn<I>): void {
    switch (answered.name) {
      case "record.publish": {
        const { peer, token, result } = answered;
        if (!result.ok) turn.out.push(notTaken(answered));
        return this.#spread.ended(peer, token, result.ok, turn.now);
      }
      case "record.list":
        return this.#rounds.answered(answered, turn);
      default:
        unreachable(answered);
    }
  }

  #onWake(turn: Turn<I>): void {
    const { now } = turn;
    for (let due = this.#due.takeDue(now); due !== undefined; due = this.#due.takeDue(now)) {
      if (due === "sweep") this.#sweep(turn);
      else this.#tellAll(turn);
    }
    let retry = this.#spread.takeDue(now);
    for (; retry !== undefined; retry = this.#spread.takeDue(now)) {
      const { network } = splitPeerKey(retry);
      const net = this.#nets.get(network);
      if (net !== undefined) this.#tell(network, net, turn);
    }
    this.#rounds.wake(turn);
  }

  #sweep({ now }: Turn<I>): void {
    const nowMs = this.#options.wallMs();
    for (const net of this.#nets.values()) {
      const expired = net.store.sweep(nowMs);
      if (expired.some(({ roles }) => roles.includes("relay"))) net.hasNews = true;
    }
    if (this.#nets.size === 0) return;
    this.#due.set("sweep", after(now, GOSSIP.sweepMs), "drop expired records");
  }
}

/** It is told again later: that one did not take it is for whoever looks closely. */
function notTaken(
  { peer, result }: Extract<Answered<GossipCalls>, { name: "record.publish" }>,
): { type: "tell"; level: "debug"; what: string; fields: Readonly<Record<string, string>> } {
  const why = "refused" in result
    ? result.refused.message
    : "failed" in result
    ? result.failed
    : "";
  return { type: "tell", level: "debug", what: "a record was not taken", fields: { peer, why } };
}

/** Where this node can be met, for its record. */
function homesOf({ home }: KnownRelays): NamedNode[] {
  const homes = home.slice(0, GOSSIP.homesMax);
  return homes.map(({ peer, path }) => ({ id: splitPeerKey(peer).node, addresses: [path] }));
}

function peersOf({ home }: Pick<KnownRelays, "home">): string {
  return home.map(({ peer }) => peer).join();
}
