/**
 * The relays of this node's networks: kept connected, told our record, asked for the others'. They
 * are the directory by which members find each other.
 *
 * @module
 */
import {
  type NamedNode,
  type NetworkId,
  type NodeId,
  OmertaError,
  type PeerKey,
  peerKey,
  splitPeerKey,
} from "../../base/mod.ts";
import { resolveHostPort } from "../../host/resolve.ts";
import { isRecordCurrent, type NodeRecord, verifyRecord } from "../../membership/mod.ts";
import { isRelayed } from "../../wire/mod.ts";
import type { Namer } from "../../path/mod.ts";
import type { Context } from "../context.ts";
import type { LoopEvent } from "../run/loop.ts";
import type { Networks } from "../networks/networks.ts";
import type { Joined } from "../networks/joined.ts";
import { type OwnFacts, OwnRecords, PUBLISH_EVERY_MS } from "./own_record.ts";
import type { Peers } from "./peers.ts";

/** Relays with which a node keeps a session, per network. Source: the record has room for three. */
const RELAYS_MAX = 3;
/** Addresses of one node that are tried at the same time. Source: the session core's own limit. */
const PATHS_TRIED_MAX = 4;
/** Pauses between attempts to connect. Guess: a relay that restarts is back in a second. */
const CONNECT_AGAIN_MS: readonly number[] = [100, 250, 500, 1_000, 2_000, 5_000, 15_000];
/** A changed record is told after this, so that several changes are one. Guess. */
const PUBLISH_AFTER_MS = 100;
/** Pages of a directory that are read at most: 10 000 records. */
const PAGES_MAX = 900;
/** How long a directory's answer may take. Guess. */
const LIST_MS = 5_000;

/** Where a node may be met, and who says so. */
export interface NamedEntry {
  readonly id: NodeId | null;
  readonly addresses: readonly string[];
  readonly named: Namer;
}

/** The relays of a running node. */
export class Relays {
  readonly #context: Context;
  readonly #networks: Networks;
  readonly #peers: Peers;
  readonly #own: OwnRecords;
  /** Relays that are kept connected. */
  readonly #kept = new Map<PeerKey, { entry: NamedEntry; attempt: number }>();
  readonly #connecting = new Map<PeerKey, Promise<void>>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** Networks whose relays told records of another time than this node's at the last refresh. */
  readonly #otherTimes = new Set<NetworkId>();
  #publishTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the timer is that of a change. */
  #isSoon = false;
  #closed = false;

  constructor(
    context: Context,
    parts: {
      readonly networks: Networks;
      readonly peers: Peers;
      readonly facts: () => OwnFacts;
    },
  ) {
    this.#context = context;
    this.#networks = parts.networks;
    this.#peers = parts.peers;
    this.#own = new OwnRecords(context, parts.facts);
    context.loop.listen((event) => this.#onEvent(event));
    parts.networks.onChange(() => this.keep());
  }

  /** Begins or goes on to keep every network's relays connected. */
  keep(): void {
    if (this.#closed) return;
    for (const joined of this.#networks.list()) {
      for (const entry of this.#targets(joined)) {
        const peer = peerKey(joined.row.id, entry.id);
        const kept = this.#kept.get(peer);
        if (kept !== undefined) {
          kept.entry = entry; // it may be entered elsewhere by now
          continue;
        }
        this.#kept.set(peer, { entry, attempt: 0 });
        this.#context.demands.claim(peer, "relay", "warm");
        if (!this.#context.loop.machine.isConnected(peer)) this.#connectSoon(peer, 0);
      }
    }
    for (const peer of this.#kept.keys()) {
      if (this.#networks.get(splitPeerKey(peer).network) !== undefined) continue;
      this.#kept.delete(peer);
      this.#context.demands.drop(peer, "relay");
    }
    this.publishSoon();
  }

  /** Waits until at least one relay of the network is connected, or none can be. */
  async ready(network: NetworkId, signal: AbortSignal): Promise<void> {
    const under = [...this.#connecting].filter(([peer]) => splitPeerKey(peer).network === network);
    if (this.connected(network).length > 0 || under.length === 0) return;
    const aborted = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => aborted.resolve(), { once: true });
    const connects = under.map(([, connect]) => connect);
    await Promise.race([Promise.any(connects).catch(() => {}), aborted.promise]);
  }

  /** The relays of a network, by their certificates, with which there is a session over a direct path. */
  connected(network: NetworkId): PeerKey[] {
    return [...this.#kept.keys()].filter((peer) => {
      const path = this.#context.loop.machine.activePath(peer);
      return splitPeerKey(peer).network === network && this.#peers.holds(peer, "relay") &&
        path !== null && !isRelayed(path);
    });
  }

  /** Whether there are relays to be reached, and none is. */
  isCutOff(network: NetworkId): boolean {
    const known = [...this.#kept.keys()].some((peer) => splitPeerKey(peer).network === network);
    return known && this.connected(network).length === 0;
  }

  /** The home relays of this node, for its record. */
  home(network: NetworkId): NamedNode[] {
    return this.connected(network).slice(0, RELAYS_MAX).flatMap((peer) => {
      const path = this.#context.loop.machine.activePath(peer);
      return path === null ? [] : [{ id: splitPeerKey(peer).node, addresses: [path] }];
    });
  }

  /** The record of a node: what is known, else asked of the relays. */
  async record(peer: PeerKey, signal: AbortSignal): Promise<NodeRecord | undefined> {
    const { network, node } = splitPeerKey(peer);
    const joined = this.#networks.get(network);
    const known = joined?.records.get(node, this.#context.wallMs());
    if (known !== undefined || joined === undefined) return known;
    await this.refresh(network, signal);
    return joined.records.get(node, this.#context.wallMs());
  }

  /** Whether records that came with the last refresh are not of this node's time. */
  tellsOfOtherTimes(network: NetworkId): boolean {
    return this.#otherTimes.has(network);
  }

  /** Asks the relays of a network for all records. */
  async refresh(network: NetworkId, signal: AbortSignal): Promise<void> {
    this.#otherTimes.delete(network);
    await this.ready(network, signal);
    const relays = this.connected(network);
    await Promise.allSettled(relays.map((relay) => this.#list(relay, signal)));
  }

  /** Tells the relays what changed in a moment, which nothing that changes meanwhile puts off. */
  publishSoon(): void {
    if (this.#closed || this.#isSoon) return;
    this.#isSoon = true;
    clearTimeout(this.#publishTimer);
    this.#publishTimer = setTimeout(() => this.#publishAll(), PUBLISH_AFTER_MS);
  }

  /** Waits until the relays that can be reached know our record, so that others find us. */
  async announce(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.#networks.list().map(async (joined) => {
        await this.ready(joined.row.id, signal);
        await this.#publish(joined, signal);
      }),
    );
  }

  /** Where this node is entered from now on. */
  async enter(joined: Joined, entry: NamedNode): Promise<void> {
    this.#networks.addEntry(joined, entry);
    this.keep();
    await this.#connecting.get(peerKey(joined.row.id, entry.id));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#publishTimer);
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #onEvent(event: LoopEvent): void {
    if (event.type === "endpoints") return this.publishSoon();
    if (event.type === "moved" || event.kind !== "epoch" || this.#closed) return;
    const kept = this.#kept.get(event.peer);
    if (kept === undefined) return;
    if (event.type === "peer-up") {
      kept.attempt = 0;
      if (!event.renewed) {
        this.#own.forgetTold(event.peer); // it may have begun anew
        this.publishSoon();
      }
      this.#context.background("renew the certificate", () => this.#renew(event.peer));
    } else this.#connectSoon(event.peer, kept.attempt);
  }

  /**
   * Entries of the invite first, then relays that publish themselves: anybody may say that it is one,
   * so that those do not come before it, and one whose certificate says otherwise is left out.
   */
  #targets(joined: Joined): (NamedEntry & NamedNode)[] {
    const records = joined.records.withRole("relay", this.#context.wallMs());
    const entries = this.#networks.entries(joined);
    const published = records
      .filter(({ id }) => !this.#isPretender(peerKey(joined.row.id, id)))
      .map(({ id, addresses }) => ({ id, addresses, named: "record" as const }));
    const all = new Map(published.map((entry) => [entry.id, entry]));
    for (const { id } of [...entries, this.#context.identity]) all.delete(id);
    const own = entries.map((entry) => ({ ...entry, named: "person" as const }));
    return [...own, ...all.values()]
      .filter(({ id, addresses }) => id !== this.#context.identity.id && addresses.length > 0)
      .slice(0, RELAYS_MAX);
  }

  /** Whether the peer is connected and no relay. */
  #isPretender(peer: PeerKey): boolean {
    return this.#peers.member(peer) !== undefined && !this.#peers.holds(peer, "relay");
  }

  #connectSoon(peer: PeerKey, attempt: number): void {
    const last = CONNECT_AGAIN_MS.length - 1;
    const waitMs = attempt === 0 ? 0 : CONNECT_AGAIN_MS[Math.min(attempt - 1, last)] ?? 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      resolve(this.#connect(peer));
    }, waitMs);
    this.#timers.add(timer);
    const done = promise.finally(() => this.#connecting.delete(peer));
    done.catch(() => {}); // Whoever waits for it gets the error; it is tried again by itself.
    this.#connecting.set(peer, done);
  }

  async #connect(peer: PeerKey): Promise<void> {
    const kept = this.#kept.get(peer);
    const { network, node } = splitPeerKey(peer);
    const joined = this.#networks.get(network);
    if (kept === undefined || joined === undefined || this.#closed) return;
    if (this.#context.loop.machine.isConnected(peer)) return;
    try {
      await this.connectTo(joined, { ...kept.entry, id: node });
    } catch (error) {
      kept.attempt++;
      this.#context.log.debug("a relay is not reached", { relay: node, error: String(error) });
      if (!this.#closed) setTimeout(() => this.#connectAgain(peer, kept.attempt), 0);
      throw error;
    }
  }

  #connectAgain(peer: PeerKey, attempt: number): void {
    if (!this.#closed && this.#kept.has(peer) && !this.#connecting.has(peer)) {
      this.#connectSoon(peer, attempt);
    }
  }

  /** A member's session with whoever listens at those addresses; the first answer counts. */
  async connectTo(
    joined: Joined,
    { id, addresses, named }: NamedEntry,
    signal?: AbortSignal,
  ): Promise<PeerKey> {
    const { loop } = this.#context;
    const resolved = (await Promise.all(addresses.map((address) => resolveHostPort(address))))
      .flat();
    const open = resolved.filter((path) => loop.machine.mayOpen(path, named));
    // Where none may be tried, the machine says why.
    const connects = (open.length > 0 ? open : resolved).slice(0, PATHS_TRIED_MAX).map((path) =>
      loop.connect({
        peer: id,
        path,
        named,
        key: this.#networks.key(joined),
        payload: this.#networks.shown(joined),
      }, signal === undefined ? {} : { signal })
    );
    try {
      return await Promise.any(connects);
    } catch (error) {
      const [first] = error instanceof AggregateError ? error.errors : [error];
      throw first instanceof OmertaError
        ? first
        : new OmertaError("unreachable", `No address answers: ${addresses.join(", ")}`);
    }
  }

  #publishAll(): void {
    this.#isSoon = false;
    if (this.#closed) return;
    for (const joined of this.#networks.list()) void this.#publish(joined);
    clearTimeout(this.#publishTimer);
    this.#publishTimer = setTimeout(() => this.#publishAll(), PUBLISH_EVERY_MS);
  }

  /**
   * Tells every connected relay of a network that does not know it; one that does not take it is told
   * again later.
   */
  async #publish(joined: Joined, signal?: AbortSignal): Promise<void> {
    const { bytes: record, told } = this.#own.current(joined, this.home(joined.row.id));
    const options = signal === undefined ? {} : { signal };
    const untold = this.connected(joined.row.id).filter((relay) => !told.has(relay));
    await Promise.all(
      untold.map(async (relay) => {
        try {
          await this.#context.loop.call(relay, "record.publish", { record }, options);
          told.add(relay);
        } catch (error) {
          this.#context.log.debug("a record was not taken", { error: String(error) });
        }
      }),
    );
  }

  async #list(relay: PeerKey, signal: AbortSignal): Promise<void> {
    const joined = this.#networks.get(splitPeerKey(relay).network);
    let after: string | null = null;
    for (let page = 0; page < PAGES_MAX && joined !== undefined; page++) {
      const options = { signal, timeoutMs: LIST_MS };
      const question: { after: string | null } = { after };
      const answer = await this.#context.loop.call(relay, "record.list", question, options);
      for (const bytes of answer.records) this.#take(joined, bytes);
      after = answer.next;
      if (after === null) return;
    }
  }

  #take(joined: Joined, bytes: Uint8Array): void {
    const nowMs = this.#context.wallMs();
    const verified = verifyRecord(bytes, { network: joined.row.id, nowMs });
    const isOfTime = !verified.ok && /^(not-yet-valid|expired)$/.test(verified.reason);
    if (isOfTime) this.#otherTimes.add(joined.row.id);
    if (!verified.ok || !isRecordCurrent(verified.value, nowMs)) return;
    const outcome = joined.records.put(verified.value, nowMs);
    if (outcome === "conflict" && verified.value.id === this.#context.identity.id) {
      this.#context.log.error("another node runs with this node's key");
    }
  }

  async #renew(peer: PeerKey): Promise<void> {
    const { network, node } = splitPeerKey(peer);
    const joined = this.#networks.get(network);
    if (joined === undefined || joined.row.admitter !== node) return;
    if (!this.#networks.needsRenewal(joined)) return;
    const answer = await this.#context.loop.call(peer, "renew", { c: joined.certificate.bytes });
    this.#networks.takeRenewal(joined, answer);
    this.#context.log.info("the certificate was renewed", { network: joined.row.name });
  }
}
