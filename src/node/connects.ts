/**
 * Handshakes that were asked for, by token, until each has ended: whoever's handshake comes through
 * first, and by whatever path, ends all that were meant for the same peer.
 *
 * @module
 */
import {
  BoundedMap,
  type NetworkId,
  type NodeId,
  type Path,
  type SessionKind,
} from "../base/mod.ts";
import type { Namer } from "../path/mod.ts";
import type { SessionKey } from "../session/mod.ts";

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

/** What tells which connects are meant. */
interface Ended {
  readonly network: NetworkId;
  readonly kind: SessionKind;
  /** `null` where it never came to one. */
  readonly path: Path | null;
}

/** The connects under way. */
export class Connects {
  readonly #open = new BoundedMap<number, Connect>(CONNECTS_MAX, "refuse");

  /** Notes one; false where too many are under way. */
  begin(connect: Connect): boolean {
    return this.#open.set(connect.token, connect);
  }

  /** Nobody waits for it any more. */
  cancel(token: number): void {
    this.#open.delete(token);
  }

  /** Who named a path, at best, and for whose sake something is sent there. */
  intent(path: Path): { readonly named: Namer; readonly by: string } {
    const meant = [...this.#open.values()].filter((connect) => connect.path === path);
    const named = meant.some((connect) => connect.named === "person") ? "person" : "record";
    return { named, by: meant[0]?.peer ?? "" };
  }

  /** The tokens that a session with `node` ends. */
  established(up: Ended & { readonly node: NodeId; readonly initiator: boolean }): number[] {
    return this.#take(
      ({ peer, path }) => peer === up.node || (peer === null && up.initiator && path === up.path),
      up,
    );
  }

  /** The tokens that a handshake's failure ends. */
  failed(failed: Ended & { readonly peer: NodeId | null }): number[] {
    return this.#take(
      ({ peer, path }) => peer === failed.peer && (peer !== null || path === failed.path),
      failed,
    );
  }

  #take(isMeant: (connect: Connect) => boolean, { network, kind }: Ended): number[] {
    const tokens = [...this.#open.values()]
      .filter((connect) => connect.key.network === network && connect.key.kind === kind)
      .filter(isMeant)
      .map(({ token }) => token);
    for (const token of tokens) this.#open.delete(token);
    return tokens;
  }
}
