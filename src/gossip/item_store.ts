/**
 * The items of one network that a node knows: the newest of each node, bounded, each until it expires.
 * Only items that passed the door come in, and every change costs the same.
 *
 * @module
 */
import { equalBytes, type NodeId } from "../base/mod.ts";
import { RECORDS_PER_PAGE } from "./limits.ts";
import type { Item } from "./types.ts";

/**
 * What an item was to the store. `conflict`: one number, two contents; two nodes run with one key, and
 * the item that was first stays.
 */
export type PutOutcome = "new" | "newer" | "same" | "stale" | "conflict" | "expired";

/** A page of items in the order of their ids, and whether more follow. */
export interface ItemPage<I> {
  readonly items: readonly I[];
  readonly more: boolean;
}

/** The items of one network. */
export class ItemStore<I extends Item> {
  /** The longest known first. */
  readonly #items = new Map<NodeId, I>();
  readonly #byRole = new Map<string, Set<NodeId>>();
  readonly #limits: { readonly itemsMax: number; readonly clockSlackMs: number };

  constructor(limits: { readonly itemsMax: number; readonly clockSlackMs: number }) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#items.size;
  }

  /** Takes an item if it is newer than what is known of its node. `nowMs`: Unix milliseconds. */
  put(item: I, nowMs: number): PutOutcome {
    if (!this.#isCurrent(item, nowMs)) return "expired";
    const outcome = compare(this.get(item.id, nowMs), item);
    if (outcome !== "new" && outcome !== "newer") return outcome;
    this.#remove(item.id);
    const oldest = this.#items.size < this.#limits.itemsMax ? undefined : this.#items.keys().next();
    if (oldest?.done === false) this.#remove(oldest.value);
    this.#items.set(item.id, item);
    for (const role of item.roles) {
      const known = this.#byRole.get(role) ?? new Set();
      this.#byRole.set(role, known.add(item.id));
    }
    return outcome;
  }

  /** The current item of a node. */
  get(id: NodeId, nowMs: number): I | undefined {
    const item = this.#items.get(id);
    return item !== undefined && this.#isCurrent(item, nowMs) ? item : undefined;
  }

  /** Every current item, the longest known first. */
  list(nowMs: number): I[] {
    return [...this.#items.values()].filter((item) => this.#isCurrent(item, nowMs));
  }

  /** The current items of nodes with that role. */
  withRole(role: string, nowMs: number): I[] {
    const ids = [...this.#byRole.get(role) ?? []];
    return ids.map((id) => this.get(id, nowMs)).filter((item) => item !== undefined);
  }

  /**
   * The current items with the next ids after `after` (`null`: the first). One pass and no sorting of it
   * all: any member may ask, and often.
   */
  page(after: string | null, nowMs: number): ItemPage<I> {
    const items: I[] = [];
    let more = false;
    for (const item of this.#items.values()) {
      if ((after !== null && item.id <= after) || !this.#isCurrent(item, nowMs)) continue;
      const at = items.findIndex(({ id }) => id > item.id);
      if (at < 0 && items.length === RECORDS_PER_PAGE) more = true;
      else items.splice(at < 0 ? items.length : at, 0, item);
      more ||= items.length > RECORDS_PER_PAGE;
      items.length = Math.min(items.length, RECORDS_PER_PAGE);
    }
    return { items, more };
  }

  /** Drops what has expired; returns that. */
  sweep(nowMs: number): I[] {
    const expired = [...this.#items.values()].filter((item) => !this.#isCurrent(item, nowMs));
    for (const { id } of expired) this.#remove(id);
    return expired;
  }

  #isCurrent({ expiresAtMs }: I, nowMs: number): boolean {
    return nowMs - this.#limits.clockSlackMs <= expiresAtMs;
  }

  #remove(id: NodeId): void {
    for (const role of this.#items.get(id)?.roles ?? []) this.#byRole.get(role)?.delete(id);
    this.#items.delete(id);
  }
}

function compare(known: Item | undefined, item: Item): PutOutcome {
  if (known === undefined) return "new";
  if (item.seq !== known.seq) return item.seq > known.seq ? "newer" : "stale";
  return equalBytes(known.bytes, item.bytes) ? "same" : "conflict";
}
