/**
 * A member's side of relays: keeps some of each network connected, believes them where they see others,
 * and has them carry a second path to peers that are busy.
 *
 * ```text
 *  network, relay-records ─▶ ┌────────────┐ ─▶ dial, undial, claim, drop
 *  peer-up, -moved, -down ─▶ │ KeptRelays │ ─▶ relays: those that are there
 *                            └────────────┘      │
 *  demand, relays ─────────▶ ┌─────────────┐ ◀───┘
 *  relay.allocate answered ▶ │ SecondPaths │ ─▶ relay.allocate, add-path
 *                            └─────────────┘
 *  relay.offer, relay-saw ─▶ what a relay may know ─▶ server-reflexive
 * ```
 *
 * How a peer is met first, through a relay or not, is not its matter.
 *
 * @module
 */
import {
  type Asked,
  BoundedMap,
  type Dialed,
  earlier,
  type Instant,
  type NetworkId,
  type NodeId,
  type Part,
  type PeerChange,
  type PeerKey,
  peerKey,
  type Random,
  splitPeerKey,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import type { AllocateCalls, OfferCalls } from "./calls.ts";
import type {
  HomeRelay,
  RelayClientIn,
  RelayClientInput,
  RelayClientOut,
  RelayClientOutput,
} from "./client_types.ts";
import { Contacts } from "./contacts.ts";
import { KeptRelays } from "./kept_relays.ts";
import { SecondPaths } from "./second_paths.ts";

/** Networks whose relays are kept; more have none. Guess: far more than a person joins. */
export const NETWORKS_MAX = 256;

/** With what a relay's client is made. */
export interface RelayClientOptions {
  readonly self: NodeId;
  readonly random: Random;
  /** Whether some path to the peer leads through a relay, proven or not yet. */
  hasRelayedPath(peer: PeerKey): boolean;
}

/** The relays of a node, as their client. */
export class RelayClientMachine
  implements Part<RelayClientIn, RelayClientOut, AllocateCalls, OfferCalls> {
  readonly #contacts = new Contacts();
  readonly #networks = new BoundedMap<NetworkId, KeptRelays>(NETWORKS_MAX, "refuse");
  readonly #secondPaths: SecondPaths;
  readonly #options: RelayClientOptions;
  /** The relays that were there at the last look, by network. */
  readonly #home = new Map<NetworkId, ReadonlySet<PeerKey>>();
  #nextToken = 1;

  constructor(options: RelayClientOptions) {
    this.#options = options;
    this.#secondPaths = new SecondPaths({
      contacts: this.#contacts,
      hasRelayedPath: (peer) => options.hasRelayedPath(peer),
      relaysOf: (network) => this.connected(network),
      token: () => this.#nextToken++,
    });
  }

  handle(input: RelayClientInput, now: Instant, out: RelayClientOutput[]): void {
    const begin = out.length;
    this.#handle(input, now, out);
    for (const output of out.slice(begin)) {
      if (output.type === "relays") this.#onRelays(output, now, out);
    }
  }

  wakeup(): Wakeup | undefined {
    let next: Wakeup | undefined;
    for (const kept of this.#networks.values()) next = earlier(next, kept.wakeup());
    return next;
  }

  /** The relays of a network that are there, by their certificates, over a direct path. */
  connected(network: NetworkId): readonly HomeRelay[] {
    return this.#networks.get(network)?.connected() ?? [];
  }

  /** Whether there are relays to be reached, and none is. */
  isCutOff(network: NetworkId): boolean {
    return this.#networks.get(network)?.isCutOff() ?? false;
  }

  #handle(input: RelayClientInput, now: Instant, out: RelayClientOutput[]): void {
    switch (input.type) {
      case "network":
        return this.#enter(input.network)?.setEntries(input.entries, now, out);
      case "network-left":
        return this.#leave(input.network, out);
      case "relay-records":
        return this.#networks.get(input.network)?.setRecords(input.relays, now, out);
      case "relay-wanted":
        return this.#networks.get(input.network)?.hurry(out);
      case "demand":
        return this.#secondPaths.onDemand(input.peer, input.demand === "busy", now, out);
      case "relay-saw":
        return this.#onSighting(input.relay, input, out);
      case "peer-up":
      case "peer-moved":
      case "peer-down":
        return this.#onPeer(input, now, out);
      case "asked":
        return this.#onOffer(input, out);
      case "answered":
        return this.#secondPaths.onAnswered(input, out);
      case "dialed":
      case "dial-failed":
        return this.#onDialed(input, now, out);
      case "wake":
        for (const kept of this.#networks.values()) kept.onWake(now, out);
        return;
      default:
        unreachable(input);
    }
  }

  #enter(network: NetworkId): KeptRelays | undefined {
    const known = this.#networks.get(network);
    if (known !== undefined) return known;
    const token = () => this.#nextToken++;
    const shared = { ...this.#options, contacts: this.#contacts, token };
    const kept = new KeptRelays(network, shared);
    return this.#networks.set(network, kept) ? kept : undefined;
  }

  #leave(network: NetworkId, out: RelayClientOutput[]): void {
    this.#networks.get(network)?.close(out);
    this.#networks.delete(network);
  }

  #onPeer(change: PeerChange, now: Instant, out: RelayClientOutput[]): void {
    const { peer } = change;
    this.#contacts.note(change);
    const kept = this.#networks.get(splitPeerKey(peer).network);
    switch (change.type) {
      case "peer-up":
        return kept?.onUp(peer, change.renewed, now, out);
      case "peer-moved":
        kept?.onMoved(out);
        return this.#secondPaths.consider(peer, now, out);
      case "peer-down":
        return kept?.onDown(peer, now, out);
      default:
        unreachable(change);
    }
  }

  #onDialed(ended: Dialed, now: Instant, out: RelayClientOutput[]): void {
    for (const kept of this.#networks.values()) if (kept.onDialed(ended, now, out)) return;
  }

  /** A relay's word lets an address be probed harder, so that only a relay's counts, and not of itself. */
  #onOffer({ call, from, name, question }: Asked<OfferCalls>, out: RelayClientOutput[]): void {
    const { network, node } = splitPeerKey(from);
    if (!this.#contacts.isRelay(from) || question.peer === node) {
      const message = "Only a relay says where it sees others";
      const refused = { code: "not-allowed", message };
      return void out.push({ type: "reply", call, ok: false, refused });
    }
    const peer = peerKey(network, question.peer as NodeId);
    this.#onSighting(from, { peer, address: question.address }, out);
    out.push({ type: "reply", call, name, ok: true, answer: {} });
  }

  #onSighting(
    relay: PeerKey,
    { peer, address }: { readonly peer: PeerKey; readonly address: string },
    out: RelayClientOutput[],
  ): void {
    if (!this.#contacts.maySee(relay, address)) return;
    out.push({ type: "server-reflexive", peer, address });
  }

  /** Where a relay came (back), peers that are busy get their second path through it. */
  #onRelays(
    { network, home }: Extract<RelayClientOutput, { type: "relays" }>,
    now: Instant,
    out: RelayClientOutput[],
  ): void {
    const before = this.#home.get(network);
    if (home.length === 0) this.#home.delete(network);
    else this.#home.set(network, new Set(home.map(({ peer }) => peer)));
    if (home.some(({ peer }) => before?.has(peer) !== true)) {
      this.#secondPaths.considerAll(network, now, out);
    }
  }
}
