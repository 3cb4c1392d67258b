/**
 * A second path, through a relay, to each peer that is busy and has none: so that its traffic goes on at
 * once when the direct one ends. It is asked for when the peer becomes busy, when it becomes direct, and
 * when a relay comes (back).
 *
 * @module
 */
import {
  type Answered,
  BoundedMap,
  Buckets,
  type Instant,
  type NetworkId,
  type Path,
  type PeerKey,
  type Rate,
  splitPeerKey,
} from "../base/mod.ts";
import { isRelayed, relayedPath } from "../wire/mod.ts";
import type { AllocateCalls } from "./calls.ts";
import type { HomeRelay, RelayClientOutput } from "./client_types.ts";
import type { Contacts } from "./contacts.ts";

/** How long a relay may take to join two members: it asks the other one. Guess. */
const ALLOCATE_MS = 5_000;
/** Busy peers that get a second path; more do without. Guess: as many as tunnels may be. */
const BUSY_MAX = 4_096;
/**
 * How often a path to one peer is asked for: one that comes and goes, and takes no offer, does not spend what
 * relays let us ask. Guess: a relay that restarts a few times in a minute is asked each time.
 */
const PEER_RATE: Rate = { perS: 0.2, burst: 8 };

/** With what second paths are made. */
export interface SecondPathsParts {
  readonly contacts: Contacts;
  /** Whether some path to the peer leads through a relay, proven or not yet. */
  hasRelayedPath(peer: PeerKey): boolean;
  /** The relays of a network that are there. */
  relaysOf(network: NetworkId): readonly HomeRelay[];
  /** A number for a request, used once. */
  token(): number;
}

interface Request {
  readonly peer: PeerKey;
  readonly relay: PeerKey;
  /** Whom to ask when this one has no path. */
  readonly others: readonly PeerKey[];
}

/** The second paths of a node. */
export class SecondPaths {
  readonly #parts: SecondPathsParts;
  /** Busy peers, and the question under way for each. */
  readonly #busy = new BoundedMap<PeerKey, number | null>(BUSY_MAX, "refuse");
  /** Questions under way; where a peer is busy no longer, its own ends in vain. */
  readonly #requests = new BoundedMap<number, Request>(BUSY_MAX, "refuse");
  readonly #rates = new Buckets<PeerKey>(PEER_RATE, BUSY_MAX);

  constructor(parts: SecondPathsParts) {
    this.#parts = parts;
  }

  /** How much the paths to a peer matter from now on. */
  onDemand(peer: PeerKey, isBusy: boolean, now: Instant, out: RelayClientOutput[]): void {
    if (!isBusy) return void this.#busy.delete(peer);
    if (!this.#busy.has(peer) && !this.#busy.set(peer, null)) return;
    this.consider(peer, now, out);
  }

  /** Asks for a path to the peer where it is to have one and has none. */
  consider(peer: PeerKey, now: Instant, out: RelayClientOutput[]): void {
    if (this.#busy.get(peer) !== null || !this.#lacksOne(peer)) return;
    const { network } = splitPeerKey(peer);
    const relays = this.#parts.relaysOf(network).map((relay) => relay.peer);
    if (relays.length > 0 && this.#rates.take(peer, 1, now)) this.#ask(peer, relays, out);
  }

  /** A relay of the network came (back). */
  considerAll(network: NetworkId, now: Instant, out: RelayClientOutput[]): void {
    for (const peer of [...this.#busy.keys()]) {
      if (splitPeerKey(peer).network === network) this.consider(peer, now, out);
    }
  }

  /** A relay answered, or did not. */
  onAnswered({ token, result }: Answered<AllocateCalls>, out: RelayClientOutput[]): void {
    const request = this.#requests.get(token);
    if (request === undefined) return;
    this.#requests.delete(token);
    const { peer, relay, others } = request;
    const isWanted = this.#busy.get(peer) === token;
    if (isWanted) this.#busy.set(peer, null);
    if (result.ok) this.#noteSighting(relay, { peer, address: result.answer.address }, out);
    if (!isWanted || !this.#lacksOne(peer)) return;
    const path = result.ok ? this.#pathThrough(relay, result.answer.session) : null;
    if (path !== null) out.push({ type: "add-path", peer, path });
    else this.#ask(peer, others, out);
  }

  #ask(peer: PeerKey, relays: readonly PeerKey[], out: RelayClientOutput[]): void {
    const { contacts } = this.#parts;
    const able = relays.filter((relay) => relay !== peer && contacts.relayPath(relay) !== null);
    const [relay, ...others] = able;
    if (relay === undefined) return;
    const token = this.#parts.token();
    if (!this.#requests.set(token, { peer, relay, others })) return;
    this.#busy.set(peer, token);
    const question = { peer: splitPeerKey(peer).node };
    const name = "relay.allocate";
    out.push({ type: "ask", token, peer: relay, name, question, timeoutMs: ALLOCATE_MS });
  }

  /** Whether there are only direct paths to the peer. */
  #lacksOne(peer: PeerKey): boolean {
    const path = this.#parts.contacts.pathOf(peer);
    return path !== null && !isRelayed(path) && !this.#parts.hasRelayedPath(peer);
  }

  #pathThrough(relay: PeerKey, session: number): Path | null {
    const direct = this.#parts.contacts.relayPath(relay);
    return direct === null ? null : relayedPath(direct, session);
  }

  #noteSighting(
    relay: PeerKey,
    seen: { readonly peer: PeerKey; readonly address: string },
    out: RelayClientOutput[],
  ): void {
    if (this.#parts.contacts.maySee(relay, seen.address)) {
      out.push({ type: "server-reflexive", ...seen });
    }
  }
}
