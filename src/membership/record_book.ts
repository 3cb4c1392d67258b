/**
 * The records of one network that a node knows: the newest of each node, bounded, each until it
 * expires. Only verified records come in, and every change costs the same.
 *
 * @module
 */
import { BoundedMap, equalBytes, type NetworkId, type NodeId, type Result } from "../base/mod.ts";
import { type NameReason, resolveName } from "./names.ts";
import { isRecordCurrent, type NodeRecord, type Role } from "./record.ts";

/** Records in a book; the one that was not renewed for longest gives way. Source: the contract. */
export const RECORDS_MAX = 10_000;

/**
 * What a record was to the book. `conflict`: one number, two contents; two nodes run with one key,
 * and the record that was first stays.
 */
export type PutOutcome = "new" | "newer" | "same" | "stale" | "conflict" | "expired";

/** The records of one network. */
export class RecordBook {
  readonly network: NetworkId;
  readonly #records: BoundedMap<NodeId, NodeRecord>;

  constructor(network: NetworkId, recordsMax: number = RECORDS_MAX) {
    this.network = network;
    this.#records = new BoundedMap(recordsMax, "evict-oldest");
  }

  get size(): number {
    return this.#records.size;
  }

  /**
   * Takes a verified record if it is newer than what is known of its node.
   *
   * @throws {TypeError} When it belongs to another network.
   */
  put(record: NodeRecord, nowMs: number): PutOutcome {
    if (record.network !== this.network) {
      throw new TypeError(`Cannot keep record: its network is ${record.network}`);
    }
    if (!isRecordCurrent(record, nowMs)) return "expired";
    const outcome = compare(this.get(record.id, nowMs), record);
    if (outcome === "new" || outcome === "newer") this.#records.set(record.id, record);
    return outcome;
  }

  /** The current record of a node. */
  get(id: NodeId, nowMs: number): NodeRecord | undefined {
    const record = this.#records.get(id);
    return record !== undefined && isRecordCurrent(record, nowMs) ? record : undefined;
  }

  /** Every current record, the longest known first. */
  list(nowMs: number): readonly NodeRecord[] {
    return [...this.#records.values()].filter((record) => isRecordCurrent(record, nowMs));
  }

  /** The current records of nodes with that role. */
  withRole(role: Role, nowMs: number): readonly NodeRecord[] {
    return this.list(nowMs).filter(({ roles }) => roles.includes(role));
  }

  /** The node that is meant by an id, a prefix or an alias; `pinned` as for `resolveName`. */
  resolve(name: string, nowMs: number, pinned?: NodeId): Result<NodeRecord, NameReason> {
    return resolveName(name, this.list(nowMs), pinned === undefined ? {} : { pinned });
  }

  /** Drops what has expired; returns how many that were. */
  sweep(nowMs: number): number {
    const expired = [...this.#records.values()].filter((each) => !isRecordCurrent(each, nowMs));
    for (const { id } of expired) this.#records.delete(id);
    return expired.length;
  }
}

function compare(known: NodeRecord | undefined, record: NodeRecord): PutOutcome {
  if (known === undefined) return "new";
  if (record.seq !== known.seq) return record.seq > known.seq ? "newer" : "stale";
  return equalBytes(known.bytes, record.bytes) ? "same" : "conflict";
}
