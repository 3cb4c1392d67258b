/**
 * Sessions that are to be begun: what may be sent where nobody has proved to be yet, and whose token a
 * handshake ends. Whoever's handshake comes through first, and by whatever path, ends all that were meant
 * for the same peer.
 *
 * @module
 */
import {
  BoundedMap,
  type Instant,
  type NetworkId,
  type NodeId,
  type Path,
  type PeerKey,
  type SessionKind,
} from "../base/mod.ts";
import type { Gate, Namer } from "../path/mod.ts";
import type { FailReason, SessionIn, SessionKey } from "../session/mod.ts";

/** Why a session did not come to be; `unwanted`: nothing may be sent to that address, or not now. */
export type ConnectFailure = FailReason | "unwanted";

/** Handshakes that wait for their end. The session core bounds them too. */
const CONNECTS_MAX = 1_024;

/** A session that is to be begun. */
export interface Connect {
  readonly token: number;
  /** `null`: whoever answers there. */
  readonly peer: NodeId | null;
  readonly path: Path;
  readonly named: Namer;
  readonly key: SessionKey;
  readonly payload: Uint8Array;
}

/** How a connect ended. */
export type ConnectEnd =
  | { readonly ok: true; readonly peer: PeerKey }
  | { readonly ok: false; readonly reason: ConnectFailure; readonly detail: string | null };

/** What tells which connects a handshake meant. */
interface Handshake {
  readonly network: NetworkId;
  readonly kind: SessionKind;
  /** `null` where it never came to one. */
  readonly path: Path | null;
}

/** On what connects stand. */
export interface ConnectsGround<Turn> {
  readonly gate: Gate;
  /** Whether peers are seen on loopback. */
  hasLoopback(): boolean;
  /** Begins a handshake. */
  begin(input: Extract<SessionIn, { type: "connect" }>, turn: Turn): void;
  ended(token: number, end: ConnectEnd, turn: Turn): void;
}

/** The connects under way. */
export class Connects<Turn> {
  readonly #ground: ConnectsGround<Turn>;
  readonly #open = new BoundedMap<number, Connect>(CONNECTS_MAX, "refuse");
  /** The same by path, and by whom they are to meet: each datagram that knocks asks. */
  readonly #byPath = new Map<Path, Set<Connect>>();
  readonly #byPeer = new Map<string, Set<Connect>>();

  constructor(ground: ConnectsGround<Turn>) {
    this.#ground = ground;
  }

  /** Begins one, where its address may be tried. */
  begin(connect: Connect, turn: Turn): void {
    const { token, peer, path, named, key, payload } = connect;
    const { gate, hasLoopback, begin, ended } = this.#ground;
    const fail = (reason: "unwanted" | "busy") =>
      ended(token, { ok: false, reason, detail: null }, turn);
    if (gate.refuses(path, named, hasLoopback()) !== null) return fail("unwanted");
    if (!this.#keep(connect)) return fail("busy");
    begin({ type: "connect", peer, path, key, payload }, turn);
  }

  /** Nobody waits for it any more. */
  cancel(token: number): void {
    const connect = this.#open.get(token);
    if (connect !== undefined) this.#forget(connect);
  }

  /** Whether a message of our own handshake may go where nobody has proved to be; if so, it counts. */
  mayKnock(
    path: Path,
    opening: { readonly bytes: number; readonly message: "hello" | "finish" },
    now: Instant,
  ): boolean {
    const meant = [...this.#byPath.get(path) ?? []];
    const named = meant.some((connect) => connect.named === "person") ? "person" : "record";
    const knock = { path, named, by: meant[0]?.peer ?? "", ...opening } as const;
    return this.#ground.gate.takeOpening(knock, now) === null;
  }

  /** A session is there. */
  established(
    up: Handshake & {
      readonly peer: PeerKey;
      readonly node: NodeId;
      readonly initiator: boolean;
    },
    turn: Turn,
  ): void {
    const strangers = up.initiator ? this.#toStrangers(up) : [];
    for (const connect of [...this.#toPeer(up, up.node), ...strangers]) {
      this.#end(connect, { ok: true, peer: up.peer }, turn);
    }
  }

  /** A handshake of ours came to nothing. */
  failed(
    failed: Handshake & {
      readonly peer: NodeId | null;
      readonly reason: FailReason;
      readonly detail?: string;
    },
    turn: Turn,
  ): void {
    const { reason, detail = null } = failed;
    const { peer } = failed;
    for (const connect of peer === null ? this.#toStrangers(failed) : this.#toPeer(failed, peer)) {
      this.#end(connect, { ok: false, reason, detail }, turn);
    }
  }

  /** Those that are to meet a peer, by whatever path. */
  #toPeer(handshake: Handshake, peer: NodeId): Connect[] {
    return [...this.#byPeer.get(meetingName(handshake, peer)) ?? []];
  }

  /** Those that are to meet whoever answers at the path. */
  #toStrangers(handshake: Handshake): Connect[] {
    const { path } = handshake;
    const name = meetingName(handshake, null);
    const there = path === null ? [] : [...this.#byPath.get(path) ?? []];
    return there.filter(({ peer, key }) => meetingName(key, peer) === name);
  }

  #keep(connect: Connect): boolean {
    if (!this.#open.set(connect.token, connect)) return false;
    const name = meetingName(connect.key, connect.peer);
    this.#byPath.set(connect.path, (this.#byPath.get(connect.path) ?? new Set()).add(connect));
    this.#byPeer.set(name, (this.#byPeer.get(name) ?? new Set()).add(connect));
    return true;
  }

  #forget(connect: Connect): void {
    const name = meetingName(connect.key, connect.peer);
    this.#open.delete(connect.token);
    dropFrom(this.#byPath, connect.path, connect);
    dropFrom(this.#byPeer, name, connect);
  }

  #end(connect: Connect, end: ConnectEnd, turn: Turn): void {
    this.#forget(connect);
    this.#ground.ended(connect.token, end, turn);
  }
}

/** The text by which those are found who are to meet the same. */
function meetingName(at: Pick<SessionKey, "network" | "kind">, peer: NodeId | null): string {
  return `${at.kind}:${at.network}/${peer ?? ""}`;
}

function dropFrom<K>(index: Map<K, Set<Connect>>, key: K, connect: Connect): void {
  const connects = index.get(key);
  connects?.delete(connect);
  if (connects?.size === 0) index.delete(key);
}
