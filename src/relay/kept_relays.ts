/**
 * The relays of one network that a node keeps connected.
 *
 * ```text
 *                               peer-up
 *   chosen ─▶ dialing ─────────────────────────▶ there
 *              ▲   │ dial-failed                   │
 *              │   ▼                               │ peer-down: dialing at once,
 *              waiting ◀───────────────────────────┘ waiting where it had only just come
 *              its wait is over, or a relay is wanted
 * ```
 *
 * One that is chosen no longer, and is not there, is let go.
 *
 * @module
 */
import {
  after,
  Backoff,
  type BackoffPlan,
  BoundedMap,
  Bucket,
  type Dialed,
  type Instant,
  type NamedNode,
  type NetworkId,
  type NodeId,
  type PeerKey,
  peerKey,
  type Random,
  type Rate,
  splitPeerKey,
  Timers,
  type Wakeup,
} from "../base/mod.ts";
import { chooseRelays, type NamedRelay, RELAYS_MAX } from "./choice.ts";
import type { HomeRelay, RelayClientOutput } from "./client_types.ts";
import type { Contacts } from "./contacts.ts";

/** Waits between attempts to connect. Guess: a relay that restarts is back in a second. */
const DIAL_AGAIN: BackoffPlan = { stepsMs: [100, 250, 500, 1_000, 2_000, 5_000, 15_000] };
/** A relay that goes sooner than this after it came is not met again at once. Guess. */
const SETTLED_MS = 1_000;
/** Relays' records that are looked at, per network. Guess: three are kept. */
const RECORDS_MAX = 64;
/**
 * How many that records name are met at once, and how often another one: a directory that tells of ever new
 * ones does not fill the handshakes of all networks. Guess: the places of a network, twice.
 */
const NEWCOMERS: Rate = { perS: 0.2, burst: 2 * RELAYS_MAX };
/** One that is not met at once waits so long. */
const NEWCOMER_MS = 1_000 / NEWCOMERS.perS;
/** Nodes that said wrongly that they are relays, per network; the oldest gives way. Guess. */
const PRETENDERS_MAX = 256;

/** With what the relays of a network are kept. */
export interface KeptRelaysParts {
  readonly self: NodeId;
  readonly random: Random;
  readonly contacts: Contacts;
  /** A number for a request, used once. */
  token(): number;
}

interface Kept {
  relay: NamedRelay;
  readonly backoff: Backoff;
  /** Of the session that is being begun. */
  dial: number | null;
  upAt: Instant | null;
}

/** The relays of one network. */
export class KeptRelays {
  readonly #network: NetworkId;
  readonly #parts: KeptRelaysParts;
  readonly #kept = new Map<PeerKey, Kept>();
  readonly #timers = new Timers<PeerKey>();
  readonly #pretenders = new BoundedMap<NodeId, true>(PRETENDERS_MAX, "evict-oldest");
  readonly #newcomers = new Bucket(NEWCOMERS, 0 as Instant);
  #entries: readonly NamedNode[] = [];
  #records: readonly NamedNode[] = [];
  #told = "";

  constructor(network: NetworkId, parts: KeptRelaysParts) {
    this.#network = network;
    this.#parts = parts;
  }

  /** Those that are there, in the order in which they were first kept. */
  connected(): HomeRelay[] {
    return [...this.#kept.keys()].flatMap((peer) => {
      const path = this.#parts.contacts.relayPath(peer);
      return path === null ? [] : [{ peer, path }];
    });
  }

  /** Whether there are relays to be reached, and none is. */
  isCutOff(): boolean {
    return this.#kept.size > 0 && this.connected().length === 0;
  }

  wakeup(): Wakeup | undefined {
    return this.#timers.next();
  }

  /** Where the network is entered now. */
  setEntries(entries: readonly NamedNode[], now: Instant, out: RelayClientOutput[]): void {
    this.#entries = entries.map(copyOf);
    this.#review(now, out);
  }

  /** Who says now that it is a relay. */
  setRecords(records: readonly NamedNode[], now: Instant, out: RelayClientOutput[]): void {
    this.#records = records.slice(0, RECORDS_MAX).map(copyOf);
    for (const record of this.#records) this.#judge(this.#peerOf(record));
    this.#review(now, out);
  }

  /** A session with somebody of the network began. */
  onUp(peer: PeerKey, renewed: boolean, now: Instant, out: RelayClientOutput[]): void {
    this.#judge(peer);
    const kept = this.#kept.get(peer);
    if (kept !== undefined && !renewed) kept.upAt = now;
    this.#timers.clear(peer);
    this.#review(now, out);
  }

  /** A session with somebody of the network ended. */
  onDown(peer: PeerKey, now: Instant, out: RelayClientOutput[]): void {
    this.#review(now, out);
    const kept = this.#kept.get(peer);
    if (kept === undefined) return;
    const hadSettled = kept.upAt !== null && now - kept.upAt >= SETTLED_MS;
    kept.upAt = null;
    if (hadSettled) kept.backoff.reset();
    if (hadSettled) this.#dial(peer, kept, out);
    else this.#dialLater(peer, kept, now);
    this.#tell(out);
  }

  /** The path to somebody of the network is another one. */
  onMoved(out: RelayClientOutput[]): void {
    this.#tell(out);
  }

  /** Tries whoever waits to be tried again, and says what is there in any case. */
  hurry(out: RelayClientOutput[]): void {
    for (const [peer, kept] of this.#kept) this.#dial(peer, kept, out);
    this.#told = "";
    this.#tell(out);
  }

  /** Tries those whose wait is over. */
  onWake(now: Instant, out: RelayClientOutput[]): void {
    for (let peer = this.#timers.takeDue(now); peer; peer = this.#timers.takeDue(now)) {
      const kept = this.#kept.get(peer);
      if (kept !== undefined) this.#dial(peer, kept, out);
    }
    this.#tell(out);
  }

  /** An attempt ended; returns whether it was one of these relays'. */
  onDialed(ended: Dialed, now: Instant, out: RelayClientOutput[]): boolean {
    const found = [...this.#kept].find(([, { dial }]) => dial === ended.token);
    if (found === undefined) return false;
    const [peer, kept] = found;
    kept.dial = null;
    if (ended.type === "dial-failed") {
      const fields = { relay: kept.relay.id, reason: ended.reason, detail: ended.detail };
      out.push({ type: "tell", level: "debug", what: "a relay is not reached", fields });
    }
    this.#dialLater(peer, kept, now);
    this.#tell(out);
    return true;
  }

  /** The network was left. */
  close(out: RelayClientOutput[]): void {
    for (const [peer, kept] of this.#kept) this.#letGo(peer, kept, out);
    this.#tell(out);
  }

  /** A certificate tells whether somebody that says so is a relay. */
  #judge(peer: PeerKey): void {
    const { node } = splitPeerKey(peer);
    const { contacts } = this.#parts;
    if (contacts.isRelay(peer)) this.#pretenders.delete(node);
    else if (contacts.isUp(peer) && this.#records.some(({ id }) => id === node)) {
      this.#pretenders.set(node, true);
    }
  }

  /** Keeps who is chosen now, and lets go of the others. */
  #review(now: Instant, out: RelayClientOutput[]): void {
    const chosen = new Map(this.#chosen().map((relay) => [this.#peerOf(relay), relay]));
    for (const [peer, kept] of this.#kept) if (!chosen.has(peer)) this.#letGo(peer, kept, out);
    for (const [peer, relay] of chosen) this.#keep(peer, relay, now, out);
    this.#tell(out);
  }

  #chosen(): NamedRelay[] {
    const { contacts } = this.#parts;
    return chooseRelays({
      self: this.#parts.self,
      entries: this.#entries,
      records: this.#records,
      kept: [...this.#kept.values()].map(({ relay }) => relay),
      isRelay: (id) => contacts.isRelay(peerKey(this.#network, id)),
      isPretender: (id) => this.#pretenders.has(id),
    });
  }

  #keep(peer: PeerKey, relay: NamedRelay, now: Instant, out: RelayClientOutput[]): void {
    const known = this.#kept.get(peer);
    if (known !== undefined) return this.#rename(peer, known, relay, out);
    const backoff = new Backoff(DIAL_AGAIN, this.#parts.random);
    const upAt = this.#parts.contacts.isUp(peer) ? now : null;
    const kept: Kept = { relay, backoff, dial: null, upAt };
    this.#kept.set(peer, kept);
    out.push({ type: "claim", peer, use: "relay", demand: "warm" });
    if (relay.named === "person" || this.#newcomers.take(1, now)) this.#dial(peer, kept, out);
    else this.#timers.set(peer, after(now, NEWCOMER_MS), "one more relay is tried");
  }

  /** What a person says now is tried at once; what a record says, at the next attempt. */
  #rename(peer: PeerKey, kept: Kept, relay: NamedRelay, out: RelayClientOutput[]): void {
    const isElsewhere = relay.addresses.join() !== kept.relay.addresses.join();
    kept.relay = relay;
    if (!isElsewhere || relay.named === "record") return;
    if (kept.dial !== null) out.push({ type: "undial", token: kept.dial });
    kept.dial = null;
    kept.backoff.reset();
    this.#dial(peer, kept, out);
  }

  #letGo(peer: PeerKey, kept: Kept, out: RelayClientOutput[]): void {
    this.#kept.delete(peer);
    this.#timers.clear(peer);
    if (kept.dial !== null) out.push({ type: "undial", token: kept.dial });
    out.push({ type: "drop", peer, use: "relay" });
  }

  #dial(peer: PeerKey, kept: Kept, out: RelayClientOutput[]): void {
    if (kept.dial !== null || this.#parts.contacts.isUp(peer)) return;
    this.#timers.clear(peer);
    kept.dial = this.#parts.token();
    const { id: node, addresses, named } = kept.relay;
    const network = this.#network;
    out.push({ type: "dial", token: kept.dial, network, node, addresses, named });
  }

  #dialLater(peer: PeerKey, kept: Kept, now: Instant): void {
    if (kept.dial !== null || this.#parts.contacts.isUp(peer)) return;
    this.#timers.set(peer, after(now, kept.backoff.next()), "a relay is tried again");
  }

  /** Says what is there, where that is not what was said last. */
  #tell(out: RelayClientOutput[]): void {
    const home = this.connected().slice(0, RELAYS_MAX);
    const isTrying = [...this.#kept.values()].some(({ dial }) => dial !== null);
    const told = JSON.stringify([home, isTrying]);
    if (told === this.#told) return;
    this.#told = told;
    out.push({ type: "relays", network: this.#network, home, isTrying });
  }

  #peerOf({ id }: NamedNode): PeerKey {
    return peerKey(this.#network, id);
  }
}

function copyOf({ id, addresses }: NamedNode): NamedNode {
  return { id, addresses: [...addresses] };
}
