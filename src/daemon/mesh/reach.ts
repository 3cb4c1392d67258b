/**
 * Gets a session with a peer: the one that is there, or a new one through a relay that both use, or
 * straight to the addresses that the peer's record names. The path machine makes it direct later.
 *
 * @module
 */
import {
  type NetworkId,
  type NodeId,
  OmertaError,
  type Path,
  type PeerKey,
  peerKey,
  splitPeerKey,
} from "../../base/mod.ts";
import type { NodeRecord } from "../../membership/mod.ts";
import { relayedPath } from "../../wire/mod.ts";
import type { Answer, CallName, Question } from "../../node/mod.ts";
import type { Context } from "../context.ts";
import type { CallOptions } from "../ports.ts";
import type { Networks } from "../networks/networks.ts";
import { noRelay } from "../networks/network_errors.ts";
import type { Joined } from "../networks/joined.ts";
import type { Peers } from "./peers.ts";
import type { Relays } from "./relays.ts";
import { orAborted } from "../../host/waiting.ts";

/** How long reaching a peer may take unless the caller says otherwise. Guess. */
const REACH_MS = 10_000;
/** How long a relay may take to join two members: it asks the other one. Guess. */
const ALLOCATE_MS = 5_000;

/** Reaches peers. */
export class Reach {
  readonly #context: Context;
  readonly #networks: Networks;
  readonly #peers: Peers;
  readonly #relays: Relays;
  readonly #underWay = new Map<PeerKey, Promise<void>>();

  constructor(
    context: Context,
    parts: { readonly networks: Networks; readonly peers: Peers; readonly relays: Relays },
  ) {
    this.#context = context;
    this.#networks = parts.networks;
    this.#peers = parts.peers;
    this.#relays = parts.relays;
  }

  /**
   * Makes sure that there is a session with the peer.
   *
   * @throws {OmertaError} `unreachable`, `no-relay`, `not-member`, `timeout`.
   */
  async peer(peer: PeerKey, options: CallOptions = {}): Promise<PeerKey> {
    if (this.#context.loop.machine.isConnected(peer)) return peer;
    const running = this.#underWay.get(peer) ?? this.#begin(peer);
    const timeout = AbortSignal.timeout(options.timeoutMs ?? REACH_MS);
    const signals = options.signal === undefined ? [timeout] : [timeout, options.signal];
    await orAborted(running, AbortSignal.any(signals), lateOr);
    return peer;
  }

  /**
   * Asks a peer, over the session that there is or a new one. Where it turns out that the peer began
   * anew, it is asked once more: for calls that may be done twice.
   */
  async call<N extends CallName>(
    peer: PeerKey,
    name: N,
    question: Question<N>,
    options: CallOptions = {},
  ): Promise<Answer<N>> {
    const ask = async () => {
      await this.peer(peer, options);
      return await this.#context.loop.call(peer, name, question, options);
    };
    try {
      return await ask();
    } catch (error) {
      const isGone = error instanceof OmertaError && error.fields["reason"] === "gone";
      if (!isGone || options.signal?.aborted) throw error;
      return await ask();
    }
  }

  /** A session with whoever listens at an address, named by a person. */
  async address(
    network: NetworkId,
    at: { readonly id: string | null; readonly address: string },
    options: CallOptions = {},
  ): Promise<PeerKey> {
    const joined = this.#networks.get(network);
    if (joined === undefined) throw new OmertaError("no-network", "That network is not joined");
    const id = at.id as NodeId | null;
    const connect = this.#relays.connectTo(joined, {
      id,
      addresses: [at.address],
      named: "person",
    });
    const timeout = AbortSignal.timeout(options.timeoutMs ?? REACH_MS);
    const signals = options.signal === undefined ? [timeout] : [timeout, options.signal];
    return await orAborted(connect, AbortSignal.any(signals), lateOr);
  }

  #begin(peer: PeerKey): Promise<void> {
    const opening = this.#open(peer).finally(() => this.#underWay.delete(peer));
    this.#underWay.set(peer, opening);
    return opening;
  }

  async #open(peer: PeerKey): Promise<void> {
    const { network } = splitPeerKey(peer);
    const joined = this.#networks.get(network);
    if (joined === undefined) throw new OmertaError("no-network", "That network is not joined");
    const signal = AbortSignal.timeout(REACH_MS);
    const record = await this.#relays.record(peer, signal);
    if (this.#context.loop.machine.isConnected(peer)) return;
    const failures: unknown[] = [];
    for (const relay of this.#relaysFor(peer, record)) {
      try {
        return await this.#connectThrough(joined, relay, peer);
      } catch (error) {
        failures.push(error);
      }
    }
    const addresses = record?.addresses ?? [];
    const { node: id } = splitPeerKey(peer);
    if (addresses.length > 0) {
      try {
        await this.#relays.connectTo(joined, { id, addresses, named: "record" });
        return;
      } catch (error) {
        if (!isUnreachable(error)) throw failures[0] ?? error;
      }
    }
    throw failures.find((each) => !isUnreachable(each)) ??
      this.#unreachable(joined, { peer, record, failures });
  }

  /** Relays that serve the peer first, then the others with which we are connected. */
  #relaysFor(peer: PeerKey, record: NodeRecord | undefined): PeerKey[] {
    const { network } = splitPeerKey(peer);
    const connected = this.#relays.connected(network).filter((relay) => relay !== peer);
    const homes = new Set(record?.relays.map(({ id }) => peerKey(network, id)));
    const able = connected.filter((relay) => this.#peers.holds(relay, "relay"));
    return able.toSorted((a, b) => Number(homes.has(b)) - Number(homes.has(a)));
  }

  async #connectThrough(joined: Joined, relay: PeerKey, peer: PeerKey): Promise<void> {
    const path = await this.#allocate(relay, peer);
    await this.#context.loop.connect({
      peer: splitPeerKey(peer).node,
      path,
      named: "record",
      key: this.#networks.key(joined),
      payload: this.#networks.shown(joined),
    });
  }

  /** A session at the relay; returns the path through it. */
  async #allocate(relay: PeerKey, peer: PeerKey): Promise<Path> {
    const { node } = splitPeerKey(peer);
    const options = { timeoutMs: ALLOCATE_MS };
    const { session, address } = await this.#context.loop.call(
      relay,
      "relay.allocate",
      { peer: node },
      options,
    );
    this.#context.loop.input({ type: "relay-saw", relay, peer, address });
    const at = this.#context.loop.machine.activePath(relay);
    if (at === null) throw new OmertaError("unreachable", "The relay went away");
    return relayedPath(at, session);
  }

  #unreachable(
    joined: Joined,
    { peer, record, failures }: {
      readonly peer: PeerKey;
      readonly record: NodeRecord | undefined;
      readonly failures: readonly unknown[];
    },
  ): OmertaError {
    const short = splitPeerKey(peer).node.slice(0, 8);
    const alias = record?.alias ?? null;
    const name = alias === null ? short : `${alias} (${short})`;
    if (this.#relays.connected(joined.row.id).length === 0) {
      return noRelay(joined.row.name);
    }
    // A relay that did not say so itself knows where it is, and it is silent nevertheless.
    const isSilent = failures.length === 0 || failures.some((each) => !isSaid(each));
    const what = isSilent ? "does not answer" : "is offline: no relay knows where it is";
    return new OmertaError("unreachable", `The peer ${name} ${what}`, {
      hint: "Does its node run, and reach a relay? See 'omerta mesh peers' for when it was seen.",
      cause: failures[0],
    });
  }
}

/** Whether a peer said so itself: a relay, that it does not know whom we want. */
function isSaid(error: unknown): boolean {
  return error instanceof OmertaError && "said_by" in error.fields;
}

/** Whether nobody answered, or a relay said that the peer is not there. */
function isUnreachable(error: unknown): boolean {
  return error instanceof OmertaError && error.code === "unreachable";
}

/** A person's reason stands; a timer's is that the peer is not there. */
function lateOr(reason: unknown): unknown {
  if (reason instanceof OmertaError) return reason;
  return new OmertaError("unreachable", "The peer was not reached in time");
}
