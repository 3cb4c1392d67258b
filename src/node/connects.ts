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
import type { Namer } from "../path/mod.ts";
import type { FailReason, SessionIn, SessionKey } from "../session/mod.ts";
import type { Gate } from "./gate.ts";
import type { ConnectFailure } from "./types.ts";

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

  constructor(ground: ConnectsGround<Turn>) {
    this.#ground = ground;
  }

  /** Begins one, where its address may be tried. */
  begin(connect: Connect, turn: Turn): void {
    const { token, peer, path, named, key, payload } = connect;
    const { gate, hasLoopback, begin, ended } = this.#ground;
    const fail = (reason: "unwanted" | "busy") =>
      ended(token, { ok: false, reason, detail: null }, turn);
    if (!gate.admits(path, named, hasLoopback)) return fail("unwanted");
    if (!this.#open.set(token, connect)) return fail("busy");
    begin({ type: "connect", peer, path, key, payload }, turn);
  }

  /** Nobody waits for it any more. */
  cancel(token: number): void {
    this.#open.delete(token);
  }

  /** Whether a message of our own handshake may go where nobody has proved to be; if so, it counts. */
  mayKnock(
    path: Path,
    opening: { readonly bytes: number; readonly message: "hello" | "finish" },
    now: Instant,
  ): boolean {
    const meant = [...this.#open.values()].filter((connect) => connect.path === path);
    const named = meant.some((connect) => connect.named === "person") ? "person" : "record";
    return this.#ground.gate.take({ path, named, by: meant[0]?.peer ?? "", ...opening }, now);
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
    const isMeant = ({ peer, path }: Connect) =>
      peer === up.node || (peer === null && up.initiator && path === up.path);
    for (const token of this.#take(isMeant, up)) {
      this.#ground.ended(token, { ok: true, peer: up.peer }, turn);
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
    const isMeant = ({ peer, path }: Connect) =>
      peer === failed.peer && (peer !== null || path === failed.path);
    for (const token of this.#take(isMeant, failed)) {
      this.#ground.ended(token, { ok: false, reason, detail }, turn);
    }
  }

  #take(isMeant: (connect: Connect) => boolean, { network, kind }: Handshake): number[] {
    const tokens = [...this.#open.values()]
      .filter((connect) => connect.key.network === network && connect.key.kind === kind)
      .filter(isMeant)
      .map(({ token }) => token);
    for (const token of tokens) this.#open.delete(token);
    return tokens;
  }
}
