/**
 * The peers with which this node has a session: who they are, how they are reached, and since when.
 *
 * @module
 */
import type { PathDoc } from "../../api/nouns/mesh.ts";
import { BoundedMap, type PeerKey, splitPeerKey } from "../../base/mod.ts";
import { type Grant, type Member, reasonToLeave } from "../../membership/mod.ts";
import { hopOf, isRelayed } from "../../wire/mod.ts";
import type { Context } from "../context.ts";
import type { LoopEvent } from "../run/loop.ts";
import type { Networks } from "../networks/networks.ts";
import { timestamp } from "../../host/time.ts";

/** Peers whose last sight is remembered; the oldest gives way. Guess. */
const SEEN_MAX = 4_096;
/** Inner packets of that size pass on every path. Source: the design, inside the tunnel. */
const PATH_MTU_BYTES = 1_280;

/** The peers of a running node. */
export class Peers {
  readonly #context: Context;
  readonly #members = new Map<PeerKey, Member>();
  readonly #seenAtMs = new BoundedMap<PeerKey, number>(SEEN_MAX, "evict-oldest");
  /** Which relay listens at an address: to name it in a path. */
  readonly #relayAt = new BoundedMap<string, string>(SEEN_MAX, "evict-oldest");

  constructor(context: Context) {
    this.#context = context;
    context.loop.listen((event) => this.#onEvent(event));
  }

  /** Members with a session. */
  connected(): PeerKey[] {
    return [...this.#members.keys()];
  }

  member(peer: PeerKey): Member | undefined {
    return this.#members.get(peer);
  }

  /** Whether the peer's certificate grants that. */
  holds(peer: PeerKey, grant: Grant): boolean {
    return this.#members.get(peer)?.grants.includes(grant) ?? false;
  }

  /** Why the peer may not stay any longer; `undefined`: it may. */
  reasonToLeave(peer: PeerKey, networks: Networks): string | undefined {
    const member = this.#members.get(peer);
    const isRevoked = networks.revocationsOf(splitPeerKey(peer).network);
    if (member === undefined) return undefined;
    if (isRevoked === undefined) return "network-left";
    return reasonToLeave(member, { nowMs: this.#context.wallMs(), isRevoked });
  }

  /** When anything of the peer was heard last, Unix milliseconds; `null` where never. */
  lastSeenAtMs(peer: PeerKey): number | null {
    const [path] = this.#context.loop.machine.pathsOf(peer, this.#context.now());
    if (path !== undefined) return this.#context.wallMs() - path.heardMsAgo;
    return this.#seenAtMs.get(peer) ?? null;
  }

  /** The path to a peer as people see it. */
  pathTo(peer: PeerKey): PathDoc {
    const [active] = this.#context.loop.machine.pathsOf(peer, this.#context.now());
    if (active === undefined) return NO_PATH;
    const address = hopOf(active.path);
    return {
      kind: active.relayed ? "relay" : "direct",
      address,
      via: active.relayed ? this.#relayAt.get(address) ?? null : null,
      transport: "udp",
      rtt_ms: active.rttMs === null ? null : Math.round(active.rttMs * 1_000) / 1_000,
      loss: active.loss,
      mtu: PATH_MTU_BYTES,
      since_at: timestamp(this.#context.wallMs() - active.provenForMs),
    };
  }

  #onEvent(event: LoopEvent): void {
    if (event.type === "peer-up" && event.kind === "epoch") {
      this.#members.set(event.peer, event.member);
      if (!isRelayed(event.path)) {
        this.#relayAt.set(hopOf(event.path), splitPeerKey(event.peer).node);
      }
    }
    if (event.type === "peer-down" && event.kind === "epoch") {
      this.#members.delete(event.peer);
      this.#seenAtMs.set(event.peer, this.#context.wallMs());
    }
  }
}

/** No path at all. */
export const NO_PATH: PathDoc = {
  kind: "none",
  address: null,
  via: null,
  transport: null,
  rtt_ms: null,
  loss: null,
  mtu: null,
  since_at: null,
};
