/**
 * An admitter's book of the members that it admitted: by which invite each came, and until when its
 * newest certificate holds. It answers whether a member is to be renewed, and counts.
 *
 * A member whose certificate is over cannot renew, whatever the book says: so the book forgets it. It is
 * bounded by refusing newcomers; to drop the oldest would drop what keeps somebody out.
 *
 * @module
 */
import type { NodeId } from "../base/mod.ts";
import type { Grant } from "./grants.ts";
import { CLOCK_SLACK_MS } from "./time.ts";

/** A member, as its admitter knows it. */
export interface MemberEntry {
  readonly node: NodeId;
  readonly grants: readonly Grant[];
  /** The invite by which it came last; `null`: unknown, as where the authority was imported. */
  readonly invite: string | null;
  /** Unix milliseconds, as all times here. */
  readonly admittedAtMs: number;
  /** When its newest certificate ends. */
  readonly expiresAtMs: number;
}

/** Members in a book. Source: the mesh's design is right to some 50 000. */
export const MEMBERS_MAX = 50_000;

/** Members that are forgotten at once, so that no turn is long. */
const SWEPT_MAX = 1_000;

/** The members that one admitter admitted to one network. */
export class MemberBook {
  readonly #members = new Map<NodeId, MemberEntry>();
  readonly #countMax: number;

  /** A book with the entries of before a restart. */
  constructor(entries: Iterable<MemberEntry> = [], countMax = MEMBERS_MAX) {
    this.#countMax = countMax;
    for (const entry of entries) this.#members.set(entry.node, entry);
  }

  get size(): number {
    return this.#members.size;
  }

  get(node: NodeId): MemberEntry | undefined {
    return this.#members.get(node);
  }

  /** Whether the node is there or can be put. */
  hasRoom(node: NodeId): boolean {
    return this.#members.has(node) || this.#members.size < this.#countMax;
  }

  /** Puts a member; says whether there was room. */
  put(entry: MemberEntry): boolean {
    if (!this.hasRoom(entry.node)) return false;
    this.#members.set(entry.node, entry);
    return true;
  }

  /** Forgets members whose certificates are over for good, some at a time; returns them. */
  sweep(nowMs: number): readonly NodeId[] {
    const gone = [...this.#members.values()]
      .filter(({ expiresAtMs }) => nowMs - expiresAtMs > 2 * CLOCK_SLACK_MS)
      .map(({ node }) => node)
      .slice(0, SWEPT_MAX);
    for (const node of gone) this.#members.delete(node);
    return gone;
  }
}
