/**
 * The sessions with one peer, by kind: at most one is current; the policy of which it is.
 *
 * A link becomes current when the first authenticated datagram comes on it, which proves that the peer
 * has finished the handshake. What was current is then read for a while more. Both ends must come to
 * the same choice, though they may see links confirmed in another order; `supersedes` says how.
 *
 * @module
 */
import {
  type NetworkId,
  type NodeId,
  type PeerKey,
  peerKey,
  type SessionKind,
} from "../base/mod.ts";
import type { Link, Slot } from "./link.ts";

/** Whose slot. */
export interface SlotName {
  readonly network: NetworkId;
  readonly node: NodeId;
  readonly kind: SessionKind;
}

/** All slots. */
export class Slots<Member> {
  readonly #slots: Readonly<Record<SessionKind, Map<PeerKey, Slot<Member>>>> = {
    epoch: new Map(),
    invite: new Map(),
  };

  /** Slots of a kind. */
  size(kind: SessionKind): number {
    return this.#slots[kind].size;
  }

  get(peer: PeerKey, kind: SessionKind): Slot<Member> | undefined {
    return this.#slots[kind].get(peer);
  }

  /** The slot of a kind that was made first. */
  oldest(kind: SessionKind): Slot<Member> | undefined {
    return this.#slots[kind].values().next().value;
  }

  /** The slot of that name. */
  find(name: SlotName): Slot<Member> | undefined {
    return this.get(peerKey(name.network, name.node), name.kind);
  }

  /** The slot of that name, made when there is none. */
  obtain(name: SlotName): Slot<Member> {
    const peer = peerKey(name.network, name.node);
    const known = this.get(peer, name.kind);
    if (known !== undefined) return known;
    const slot: Slot<Member> = {
      ...name,
      peer,
      current: undefined,
      previous: undefined,
      ours: undefined,
      theirs: undefined,
    };
    this.#slots[name.kind].set(peer, slot);
    return slot;
  }

  /** Forgets the slot when it holds nothing any more. */
  dropIfEmpty(slot: Slot<Member>): void {
    if (linksOf(slot).length === 0) this.#slots[slot.kind].delete(slot.peer);
  }

  *values(): Generator<Slot<Member>> {
    yield* this.#slots.epoch.values();
    yield* this.#slots.invite.values();
  }
}

/** Every link of a slot. */
export function linksOf<Member>(slot: Slot<Member>): Link<Member>[] {
  const all = [slot.current, slot.previous, slot.ours, slot.theirs];
  return all.filter((link) => link !== undefined);
}

/** Takes a link out of its place in the slot. */
export function unplace<Member>(link: Link<Member>): void {
  const { slot } = link.is;
  if (slot[link.role] === link) slot[link.role] = undefined;
}

/** Puts a link into a place; returns the one that it displaces. */
export function place<Member>(
  link: Link<Member>,
  role: Link<Member>["role"],
): Link<Member> | undefined {
  unplace(link);
  const displaced = link.is.slot[role];
  link.role = role;
  link.is.slot[role] = link;
  return displaced === link ? undefined : displaced;
}

/**
 * Whether a link that was just confirmed takes the place of the current one. Of two by the same
 * initiator, the newer one does. Of two by different initiators:
 *
 * 1. one that was made to replace the other (its third message says so) does;
 * 2. one that was begun when the current one was confirmed already comes from a peer that has forgotten
 *    the current one, for otherwise it would have named it: it does;
 * 3. else both were begun at once: the one of the smaller id does.
 *
 * The first and last rule use what both ends know. So does the second: a peer that has not forgotten
 * sent its hello, was answered and finished before we saw our own session confirmed.
 *
 * @param us Our own id.
 */
export function supersedes<Member>(
  link: Link<Member>,
  current: Link<Member>,
  us: NodeId,
): boolean {
  if (link.is.initiator === current.is.initiator) return link.is.begunAt >= current.is.begunAt;
  if (link.is.replaced === current.is.id) return true;
  if (current.is.replaced === link.is.id) return false;
  if (link.is.begunAt >= (current.confirmedAt ?? Infinity)) return true;
  return link.is.initiator === (us < link.is.slot.node);
}
