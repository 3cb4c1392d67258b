/**
 * Which relays of a network a node keeps: those that a person named first, then those whose records say
 * that they are relays. Anybody may say that, so that those never come before the others, and one whose
 * certificate says otherwise is left out.
 *
 * @module
 */
import type { NamedNode, NodeId } from "../base/mod.ts";

/** Relays that are kept per network. Source: the record has room for three. */
export const RELAYS_MAX = 3;

/** A relay that is kept, and who said where it is. */
export interface NamedRelay extends NamedNode {
  readonly named: "person" | "record";
}

/** What is chosen from. */
export interface RelayChoice {
  readonly self: NodeId;
  /** Where the network is entered, as persons said. */
  readonly entries: readonly NamedNode[];
  /** Whose records say that they are relays. */
  readonly records: readonly NamedNode[];
  /** Those that are kept now. */
  readonly kept: readonly NamedRelay[];
  /** Whether there is a session with the node, and its certificate lets it relay. */
  isRelay(id: NodeId): boolean;
  /** Whether the node showed a certificate that does not let it relay. */
  isPretender(id: NodeId): boolean;
}

/**
 * The relays to keep. One that is there keeps its place before those that would have to be met first,
 * also when its record is gone; and one that newer entries leave no place stays until it goes, at most
 * `RELAYS_MAX` of these.
 */
export function chooseRelays(choice: RelayChoice): NamedRelay[] {
  const { isRelay, isPretender } = choice;
  const entries = choice.entries.map((entry): NamedRelay => ({ ...entry, named: "person" }));
  const records = choice.records.filter(({ id }) => !isPretender(id))
    .map((record): NamedRelay => ({ ...record, named: "record" }));
  const there = choice.kept.filter(({ id }) => isRelay(id));
  const latest = new Map([...there, ...records, ...entries].map((relay) => [relay.id, relay]));
  const ids = [...entries, ...there, ...records].map(({ id }) => id);
  const ranked = [...new Set(ids)].flatMap((id) => latest.get(id) ?? [])
    .filter(({ id, addresses }) => id !== choice.self && addresses.length > 0);
  const surplus = ranked.slice(RELAYS_MAX).filter(({ id }) => there.some((each) => each.id === id));
  return [...ranked.slice(0, RELAYS_MAX), ...surplus.slice(0, RELAYS_MAX)];
}
