/**
 * Both ends of relays, in their places: what a node does for members as a relay, and how it keeps and
 * uses relays itself.
 *
 * @module
 */
import type { Demand } from "../path/mod.ts";
import {
  type NamedNode,
  type NetworkId,
  type NodeId,
  type Path,
  type PeerKey,
  type Random,
  unreachable,
} from "../base/mod.ts";
import {
  type HomeRelay,
  type RelayClientIn,
  RelayClientMachine,
  type RelayClientOut,
  type RelayedPair,
  type RelayLimits,
  type RelayServerIn,
  RelayServerMachine,
  type RelayServerOut,
} from "../relay/mod.ts";
import type { Mounted, PartHost } from "./parts.ts";
import type { Moment } from "./moment.ts";

/** What the host tells a relay. */
export type RelayIn = RelayServerIn;

/** What a relay tells the host. */
export type RelaySaid = RelayServerOut;

/** What finding and reaching tell the client. */
export type RelayNews = Extract<
  RelayClientIn,
  { type: "relay-records" | "relay-wanted" | "relay-saw" }
>;

/** Which relays of a network are there, or tried. */
export type KnownRelays = Extract<RelayClientOut, { type: "relays" }>;

/** What the node does for them. */
export interface RelayGround<Turn> {
  readonly self: NodeId;
  readonly random: Random;
  /** Whether some path to the peer leads through a relay, proven or not yet. */
  hasRelayedPath(peer: PeerKey): boolean;
  /** A relay's paths matter, or no longer. */
  use(output: Extract<RelayClientOut, { type: "claim" | "drop" }>, turn: Turn): void;
  addPath(peer: PeerKey, path: Path, turn: Turn): void;
  /** A relay sees the peer at that address. */
  serverReflexive(seen: Extract<RelayClientOut, { type: "server-reflexive" }>): void;
  /** Which relays are there changed. */
  relays(known: KnownRelays): void;
  /** Out of the node. */
  say(output: RelaySaid, turn: Turn): void;
}

/** What is known of relays now. */
export interface RelayView {
  /** The relays of a network that are there, by their certificates, over a direct path. */
  connected(network: NetworkId): readonly HomeRelay[];
  /** Whether there are relays to be reached, and none is. */
  isCutOff(network: NetworkId): boolean;
  /** What this node carries as a relay; `undefined` where it is none. */
  limits(): RelayLimits | undefined;
  /** Whom it joins as a relay, the oldest session first. */
  pairs(): RelayedPair[];
}

/** The relay's parts of a node. */
export class RelayParts<Turn extends Moment> {
  readonly view: RelayView;
  readonly #server: Mounted<RelayServerIn>;
  readonly #client: Mounted<RelayClientIn>;

  constructor(host: PartHost<Turn>, ground: RelayGround<Turn>) {
    const server = new RelayServerMachine(ground.random);
    const client = new RelayClientMachine(ground);
    this.view = {
      connected: (network) => client.connected(network),
      isCutOff: (network) => client.isCutOff(network),
      limits: () => server.limits(),
      pairs: () => server.pairs(),
    };
    this.#server = host.mount<RelayServerIn, RelayServerOut, "relay.offer", "relay.allocate">({
      name: "relay",
      part: server,
      serves: ["relay.allocate"],
      onOutput: (output, turn) => ground.say(output, turn),
    });
    this.#client = host.mount<RelayClientIn, RelayClientOut, "relay.allocate", "relay.offer">({
      name: "relays",
      part: client,
      serves: ["relay.offer"],
      onOutput: (output, turn) => perform(output, ground, turn),
    });
  }

  input(input: RelayIn): void {
    this.#server.input(input);
  }

  /** Something for who keeps relays. */
  news(news: RelayNews): void {
    this.#client.input(news);
  }

  /** This node is a member of a network, and enters it there. */
  network(network: NetworkId, entries: readonly NamedNode[]): void {
    this.#client.input({ type: "network", network, entries });
  }

  networkGone(network: NetworkId): void {
    this.#client.input({ type: "network-left", network });
  }

  /** How much the paths to a peer matter. */
  demand(peer: PeerKey, demand: Demand): void {
    this.#client.input({ type: "demand", peer, demand });
  }
}

function perform<Turn>(output: RelayClientOut, ground: RelayGround<Turn>, turn: Turn): void {
  switch (output.type) {
    case "claim":
    case "drop":
      return ground.use(output, turn);
    case "add-path":
      return ground.addPath(output.peer, output.path, turn);
    case "server-reflexive":
      return ground.serverReflexive(output);
    case "relays":
      return ground.relays(output);
    default:
      unreachable(output);
  }
}
