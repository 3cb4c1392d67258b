/**
 * The directory as members use it: the relays are told our record, and asked for the others'. Which
 * relays there are, the node machine says.
 *
 * @module
 */
import {
  type NamedNode,
  type NetworkId,
  type NodeId,
  OmertaError,
  type PeerKey,
  splitPeerKey,
} from "../../base/mod.ts";
import { resolveHostPort } from "../../host/resolve.ts";
import {
  isRecordCurrent,
  type NodeRecord,
  RECORD_LIMITS,
  verifyRecord,
} from "../../membership/mod.ts";
import type { Namer } from "../../path/mod.ts";
import type { Context } from "../context.ts";
import type { LoopEvent } from "../run/loop.ts";
import type { Networks } from "../networks/networks.ts";
import type { Joined } from "../networks/joined.ts";
import { type OwnFacts, OwnRecords, PUBLISH_EVERY_MS } from "./own_record.ts";

/** Addresses of one node that are tried at the same time. Source: the session core's own limit. */
const PATHS_TRIED_MAX = 4;
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

/** The relays of a running node, as its directory. */
export class Relays {
  readonly #context: Context;
  readonly #networks: Networks;
  readonly #own: OwnRecords;
  /** Networks whose relays told records of another time than this node's at the last refresh. */
  readonly #otherTimes = new Set<NetworkId>();
  #publishTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the timer is that of a change. */
  #isSoon = false;
  #closed = false;

  constructor(
    context: Context,
    parts: { readonly networks: Networks; readonly facts: () => OwnFacts },
  ) {
    this.#context = context;
    this.#networks = parts.networks;
    this.#own = new OwnRecords(context, parts.facts);
    context.loop.listen((event) => this.#onEvent(event));
    parts.networks.onChange(() => this.publishSoon());
  }

  /** Waits until at least one relay of the network is connected, or none can be. */
  async ready(network: NetworkId, signal: AbortSignal): Promise<void> {
    const { loop } = this.#context;
    if (this.connected(network).length > 0) return;
    const ended = Promise.withResolvers<void>();
    const stop = loop.listen((event) => {
      if (event.type !== "relays" || event.network !== network) return;
      if (event.home.length > 0 || !event.isTrying) ended.resolve();
    });
    signal.addEventListener("abort", () => ended.resolve(), { once: true });
    if (signal.aborted) ended.resolve();
    loop.input({ type: "relay-wanted", network });
    await ended.promise;
    stop();
  }

  /** The relays of a network, by their certificates, with which there is a session over a direct path. */
  connected(network: NetworkId): PeerKey[] {
    return this.#context.loop.machine.relays.connected(network).map(({ peer }) => peer);
  }

  /** Whether there are relays to be reached, and none is. */
  isCutOff(network: NetworkId): boolean {
    return this.#context.loop.machine.relays.isCutOff(network);
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
    this.#tellRelays(network);
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

  close(): void {
    this.#closed = true;
    clearTimeout(this.#publishTimer);
  }

  #onEvent(event: LoopEvent): void {
    if (event.type === "endpoints") return this.publishSoon();
    if (event.type === "relays" && event.home.length > 0) return this.publishSoon();
    if (event.type !== "peer-up" || event.kind !== "epoch" || event.renewed) return;
    this.#own.forgetTold(event.peer); // it may have begun anew
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

  /** The home relays of this node, for its record. */
  #home(network: NetworkId): NamedNode[] {
    return this.#context.loop.machine.relays.connected(network).slice(0, RECORD_LIMITS.relaysMax)
      .map(({ peer, path }) => ({ id: splitPeerKey(peer).node, addresses: [path] }));
  }

  /**
   * Tells every connected relay of a network that does not know it; one that does not take it is told
   * again later.
   */
  async #publish(joined: Joined, signal?: AbortSignal): Promise<void> {
    const { bytes: record, told } = this.#own.current(joined, this.#home(joined.row.id));
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

  /** Tells the node machine who says that it is a relay. */
  #tellRelays(network: NetworkId): void {
    const records = this.#networks.get(network)?.records;
    const relays = records?.withRole("relay", this.#context.wallMs()) ?? [];
    this.#context.loop.input({ type: "relay-records", network, relays });
  }
}
