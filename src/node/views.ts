/**
 * What is known of peers and of ourselves now: for status, for whoever must decide, for people. Nothing
 * here changes anything.
 *
 * @module
 */
import {
  BoundedMap,
  type Instant,
  type NodeId,
  type Path,
  type PeerKey,
  type SessionKind,
  splitPeerKey,
} from "../base/mod.ts";
import type { Gate, Namer, NatJudgement, PathMachine, PathView } from "../path/mod.ts";
import type { SessionMachine, SessionStats } from "../session/mod.ts";
import { hopOf, isRelayed, pathSource } from "../wire/mod.ts";
import type { OwnAddresses } from "./own_addresses.ts";
import type { RecordView } from "./find_parts.ts";
import type { RelayView } from "./relay_parts.ts";

/** Peers whose last sight is remembered, and addresses whose node is; the oldest gives way. Guess. */
const SEEN_MAX = 4_096;

/** Of what a view is made. */
interface Sources<Member> {
  readonly sessions: Pick<SessionMachine<Member>, "has" | "provenPathOf" | "stats">;
  readonly paths: Pick<PathMachine, "active" | "rttMs" | "views" | "hasLoopback">;
  readonly own: Pick<OwnAddresses, "observed" | "judgeNat">;
  readonly gate: Pick<Gate, "refuses">;
  readonly relays: RelayView;
  readonly records: RecordView;
}

/** The views of a node; `NodeMachine` tells it who comes and goes. */
export class NodeView<Member> {
  readonly #sources: Sources<Member>;
  /** As many as there are sessions. */
  readonly #members = new Map<PeerKey, Member>();
  readonly #leftAt = new BoundedMap<PeerKey, Instant>(SEEN_MAX, "evict-oldest");
  /** Who is met directly at an address, to name the relay of a path. */
  readonly #nodeAt = new BoundedMap<string, NodeId>(SEEN_MAX, "evict-oldest");

  constructor(sources: Sources<Member>) {
    this.#sources = sources;
  }

  /** What is known of relays. */
  get relays(): RelayView {
    return this.#sources.relays;
  }

  /** What is known of members by their records. */
  get records(): RecordView {
    return this.#sources.records;
  }

  /** A member's session began. */
  noteUp(peer: PeerKey, member: Member, path: Path): void {
    this.#members.set(peer, member);
    if (!isRelayed(path)) this.#nodeAt.set(hopOf(path), splitPeerKey(peer).node);
  }

  /** The last one ended. */
  noteDown(peer: PeerKey, now: Instant): void {
    this.#members.delete(peer);
    this.#leftAt.set(peer, now);
  }

  /** Whether there is a member's session with the peer. */
  isConnected(peer: PeerKey): boolean {
    return this.#sources.sessions.has(peer, "epoch");
  }

  /** The peer as a member, while there is a session. */
  member(peer: PeerKey): Member | undefined {
    return this.#members.get(peer);
  }

  /** Members with a session. */
  connected(): PeerKey[] {
    return [...this.#members.keys()];
  }

  /** When anything of the peer was heard last; `null` where never. */
  heardAt(peer: PeerKey, now: Instant): Instant | null {
    const [path] = this.pathsOf(peer, now);
    if (path !== undefined) return (now - path.heardMsAgo) as Instant;
    return this.#leftAt.get(peer) ?? null;
  }

  /** The source prefix at which the peer was proven to be when its session began. */
  sourceOf(peer: PeerKey, kind: SessionKind): string | undefined {
    const path = this.#sources.sessions.provenPathOf(peer, kind);
    return path === undefined ? undefined : pathSource(path).key;
  }

  /** The path on which we send to the peer now. */
  activePath(peer: PeerKey): Path | null {
    return this.#sources.paths.active(peer);
  }

  /** The round trip of that path, in milliseconds; `null` where none is known. */
  rttMs(peer: PeerKey): number | null {
    const active = this.activePath(peer);
    return active === null ? null : this.#sources.paths.rttMs(peer, active);
  }

  /** The proven paths to a peer, the active one first. */
  pathsOf(peer: PeerKey, now: Instant): PathView[] {
    return this.#sources.paths.views(peer, now);
  }

  /** The relay through which a path leads, where it is one that we met. */
  relayOf(path: Path): NodeId | null {
    return isRelayed(path) ? this.#nodeAt.get(hopOf(path)) ?? null : null;
  }

  /** The judgement of our NAT for one family. */
  judgeNat(family: "ipv4" | "ipv6", now: Instant): NatJudgement {
    return this.#sources.own.judgeNat(family, now);
  }

  /** The addresses at which peers see us. */
  observed(now: Instant): string[] {
    return this.#sources.own.observed(now);
  }

  /** Whether a session may be opened at a path whose address `named` named. */
  mayOpen(path: Path, named: Namer): boolean {
    return this.#sources.gate.refuses(path, named, this.#sources.paths.hasLoopback()) === null;
  }

  /** Counters of the sessions. */
  sessionStats(): SessionStats {
    return this.#sources.sessions.stats();
  }
}
