/**
 * Entries: the nodes by which a network is found again after a restart, the best first. Pure lists.
 *
 * @module
 */
import type { NamedNode } from "../../base/mod.ts";

/** Entries of one network that are kept. Guess: some of them answer. */
export const ENTRIES_MAX = 8;

/** Whether an entry is known, at all of its addresses. */
export function hasEntry(known: readonly NamedNode[], { id, addresses }: NamedNode): boolean {
  const there = known.find((entry) => entry.id === id)?.addresses ?? [];
  return addresses.every((address) => there.includes(address));
}

/** The entries with another one: in its former place, or last, for which the last one gives way. */
export function withEntry(known: readonly NamedNode[], entry: NamedNode): NamedNode[] {
  const isKnown = known.some(({ id }) => id === entry.id);
  return isKnown
    ? known.map((each) => each.id === entry.id ? entry : each)
    : [...known.slice(0, ENTRIES_MAX - 1), entry];
}

/** The entries with others before them. */
export function entriesFirst(
  known: readonly NamedNode[],
  first: readonly NamedNode[],
): NamedNode[] {
  const ids = new Set(first.map(({ id }) => id));
  return [...first, ...known.filter(({ id }) => !ids.has(id))].slice(0, ENTRIES_MAX);
}
