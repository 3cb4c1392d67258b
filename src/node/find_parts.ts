/**
 * Finding and reaching, in their places: gossip with its door, and reach, which has it find records.
 *
 * ```text
 *   want ──▶ reach ──find──▶ gossip ──relay-wanted, relay-records──▶ relays
 *   list, announce ────────▶ gossip                                    │
 *            reach ──relay-saw───────────────────────────────────────▶ │
 *            reach, gossip ◀──────────── which relays are there ────────┘
 * ```
 *
 * @module
 */
import { type NetworkId, type PeerKey, type Random, unreachable } from "../base/mod.ts";
import { GossipMachine, type GossipOwnIn, type GossipOwnOut } from "../gossip/mod.ts";
import { CLOCK_SLACK_MS, type NodeRecord, RECORD_LIFE_MS } from "../membership/mod.ts";
import { ReachMachine, type ReachOwnIn, type ReachOwnOut } from "../reach/mod.ts";
import type { Mounted, PartHost } from "./parts.ts";
import { type RecordFacts, type RecordSigner, signGossip, verifyGossip } from "./record_door.ts";
import type { KnownRelays, RelayNews } from "./relay_parts.ts";
import type { Moment } from "./moment.ts";

type GossipIn = GossipOwnIn<RecordFacts>;
type GossipOut = GossipOwnOut<NodeRecord>;

/** What the host wants of peers and records. */
export type FindIn =
  | Extract<ReachOwnIn, { type: "want" | "want-address" | "unwant" }>
  | Extract<GossipIn, { type: "list" | "announce" }>;

/** What it is told. */
export type FindSaid =
  | Extract<ReachOwnOut, { type: "reached" | "unreached" }>
  | Extract<GossipOut, { type: "listed" | "announced" }>;

/** What the node does for them. */
export interface FindGround<Turn> extends RecordSigner {
  readonly random: Random;
  /** The highest number of a record of ours that was kept. */
  readonly lastRecordSeq: number;
  /** Something for who keeps relays. */
  news(news: RelayNews): void;
  /** Out of the node. */
  say(output: FindSaid, turn: Turn): void;
}

/** What is known of members by their records. */
export interface RecordView {
  /** The current record of a peer. */
  record(peer: PeerKey): NodeRecord | undefined;
  /** The current records of a network, our own among them; of one role only, where that is given. */
  records(network: NetworkId, role?: string): NodeRecord[];
}

/** Gossip and reach of a node. */
export class FindParts<Turn extends Moment> {
  readonly view: RecordView;
  readonly #gossip: Mounted<GossipIn>;
  readonly #reach: Mounted<ReachOwnIn>;

  constructor(host: PartHost<Turn>, ground: FindGround<Turn>) {
    const gossip = new GossipMachine<NodeRecord, RecordFacts>({
      self: ground.identity.id,
      random: ground.random,
      clockSlackMs: CLOCK_SLACK_MS,
      renewAfterMs: RECORD_LIFE_MS / 3,
      lastSeq: ground.lastRecordSeq,
      wallMs: () => ground.wallMs(),
      verify: verifyGossip(ground),
      sign: signGossip(ground),
    });
    this.view = gossip;
    this.#gossip = host.mount<
      GossipIn,
      GossipOut,
      "record.publish" | "record.list",
      "record.publish" | "record.list"
    >({
      name: "gossip",
      part: gossip,
      serves: ["record.publish", "record.list"],
      onOutput: (output, turn) => this.#onGossip(output, ground, turn),
    });
    this.#reach = host.mount<ReachOwnIn, ReachOwnOut, "relay.allocate">({
      name: "reach",
      part: new ReachMachine(),
      serves: [],
      onOutput: (output, turn) => this.#onReach(output, ground, turn),
    });
  }

  input(input: FindIn): void {
    switch (input.type) {
      case "want":
      case "want-address":
      case "unwant":
        return this.#reach.input(input);
      case "list":
      case "announce":
        return this.#gossip.input(input);
      default:
        unreachable(input);
    }
  }

  /** Keep the directory for others from now on. */
  serve(): void {
    this.#gossip.input({ type: "serve" });
  }

  /** This node is a member of a network, and says that of itself there. */
  network(network: NetworkId, facts: RecordFacts): void {
    this.#reach.input({ type: "network", network });
    this.#gossip.input({ type: "network", network, facts });
  }

  networkGone(network: NetworkId): void {
    this.#reach.input({ type: "network-left", network });
    this.#gossip.input({ type: "network-left", network });
  }

  /** Which relays of a network are there, or tried. */
  relays(known: KnownRelays): void {
    this.#reach.input(known);
    this.#gossip.input(known);
  }

  #onGossip(output: GossipOut, ground: FindGround<Turn>, turn: Turn): void {
    switch (output.type) {
      case "found":
        return this.#reach.input(output);
      case "relay-wanted":
      case "relay-records":
        return ground.news(output);
      case "listed":
      case "announced":
        return ground.say(output, turn);
      default:
        unreachable(output);
    }
  }

  #onReach(output: ReachOwnOut, ground: FindGround<Turn>, turn: Turn): void {
    switch (output.type) {
      case "find":
        return this.#gossip.input(output);
      case "relay-saw":
        return ground.news(output);
      case "reached":
      case "unreached":
        return ground.say(output, turn);
      default:
        unreachable(output);
    }
  }
}
