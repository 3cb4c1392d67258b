/**
 * The parts of a node, put together: which there are, and what of one is another's to know. A new part is
 * mounted here, and finds its neighbours here.
 *
 * ```text
 *   candidates ── punch ──────────────▶ paths          relays ── add-path ─────────────▶ paths
 *   relays ── where they see a peer ──▶ candidates     relays ── which are there ──────▶ finding
 *   finding ── a relay is wanted ─────▶ relays         claims on paths ── of whom ─────▶ relays, paths
 * ```
 *
 * @module
 */
import { type PeerKey, unreachable } from "../base/mod.ts";
import type { PathIn, PathMachine } from "../path/mod.ts";
import { CandidateExchange, type ExchangeIn, type ExchangeOut } from "./candidate_exchange.ts";
import { type FindIn, FindParts, type FindSaid, type RecordView } from "./find_parts.ts";
import { KeepAlive } from "./keep_alive.ts";
import type { OwnAddresses } from "./own_addresses.ts";
import type { Mounted, PartHost } from "./parts.ts";
import { type RelayIn, RelayParts, type RelaySaid, type RelayView } from "./relay_parts.ts";
import type { Moment } from "./moment.ts";
import type { Granted, NodeIn, NodeOptions } from "./types.ts";

/** What of the node's inputs is for its parts. */
export type ComposedIn =
  | RelayIn
  | FindIn
  | Extract<NodeIn, { readonly type: "network" | "network-gone" | "resolved" | "use" | "drop" }>;

/** What the node does for its parts together. */
export interface ComposeGround<Turn> {
  readonly own: OwnAddresses;
  readonly paths: Pick<PathMachine, "active" | "rttMs" | "hasRelayed">;
  path(input: PathIn, turn: Turn): void;
  /** Out of the node. */
  say(output: RelaySaid | FindSaid, turn: Turn): void;
}

/** The parts of a node. */
export class ComposedParts<Turn extends Moment> {
  readonly relays: RelayView;
  readonly records: RecordView;
  readonly #host: PartHost<Turn>;
  readonly #ground: ComposeGround<Turn>;
  readonly #keepAlive = new KeepAlive();
  readonly #exchange: Mounted<ExchangeIn>;
  readonly #relaying: RelayParts<Turn>;
  readonly #finding: FindParts<Turn>;

  constructor(
    host: PartHost<Turn>,
    ground: ComposeGround<Turn>,
    options: NodeOptions<Granted>,
  ) {
    this.#host = host;
    this.#ground = ground;
    this.#exchange = this.#mountExchange(options.direct ?? true);
    this.#relaying = this.#mountRelays(options);
    this.#finding = new FindParts(host, {
      ...options,
      wallMs: () => options.wallMs(),
      lastRecordSeq: options.lastRecordSeq ?? 0,
      news: (news) => this.#relaying.news(news),
      say: (output, turn) => ground.say(output, turn),
    });
    this.relays = this.#relaying.view;
    this.records = this.#finding.view;
  }

  input(input: ComposedIn, turn: Turn): void {
    switch (input.type) {
      case "network":
        this.#host.networks.network(input.network, input);
        this.#finding.network(input.network, input.facts);
        return this.#relaying.network(input.network, input.entries);
      case "network-gone":
        this.#finding.networkGone(input.network);
        this.#relaying.networkGone(input.network);
        return this.#host.networks.networkGone(input.network);
      case "relay-serve":
        this.#finding.serve();
        return this.#relaying.input(input);
      case "relay-used":
        return this.#relaying.input(input);
      case "want":
      case "want-address":
      case "unwant":
      case "list":
      case "announce":
        return this.#finding.input(input);
      case "resolved":
        return this.#host.resolved(input.token, input.addresses, turn);
      case "use":
      case "drop":
        return this.#onUse(input, turn);
      default:
        unreachable(input);
    }
  }

  /** Time to exchange candidates with a peer. */
  offer(peer: PeerKey): void {
    this.#exchange.input({ type: "offer", peer });
  }

  /** Puts the claims on a peer's paths in force: at each, and where its session comes up. */
  enforce(peer: PeerKey, turn: Turn): void {
    const demand = this.#keepAlive.of(peer);
    this.#ground.path({ type: "demand", peer, demand }, turn);
    this.#relaying.demand(peer, demand);
  }

  #onUse(input: Extract<NodeIn, { type: "use" | "drop" }>, turn: Turn): void {
    const { peer, use } = input;
    if (input.type === "use") this.#keepAlive.use(peer, use, input.demand);
    else this.#keepAlive.drop(peer, use);
    this.enforce(peer, turn);
  }

  #mountExchange(direct: boolean): Mounted<ExchangeIn> {
    const { own, paths, path } = this.#ground;
    const rttMs = (peer: PeerKey) => {
      const at = paths.active(peer);
      return at === null ? null : paths.rttMs(peer, at);
    };
    return this.#host.mount<ExchangeIn, ExchangeOut, "path.candidates", "path.candidates">({
      name: "candidates",
      part: new CandidateExchange({ own, direct, rttMs }),
      serves: ["path.candidates"],
      onOutput: (punch, turn) => path(punch, turn),
    });
  }

  #mountRelays({ identity, random }: NodeOptions<Granted>): RelayParts<Turn> {
    const { paths, path, say } = this.#ground;
    return new RelayParts(this.#host, {
      self: identity.id,
      random,
      hasRelayedPath: (peer) => paths.hasRelayed(peer),
      use: (output, turn) =>
        this.#onUse(output.type === "claim" ? { ...output, type: "use" } : output, turn),
      addPath: (peer, added, turn) => path({ type: "add-path", peer, path: added }, turn),
      serverReflexive: (seen) => this.#exchange.input(seen),
      relays: (known) => this.#finding.relays(known),
      say: (output, turn) => say(output, turn),
    });
  }
}
