/**
 * The book of networks: which this node belongs to, by id and name, and those whose membership does not
 * hold now. It mirrors the table of networks; whoever keeps what hangs on it hears of each change.
 *
 * ```text
 *   row ──certificate holds──▶ joined ◀──refresh──▶ unsound ◀──certificate does not hold── row
 *                                 └──────forget──────┴──▶ gone
 * ```
 *
 * @module
 */
import { type NetworkId, OmertaError } from "../../base/mod.ts";
import type { NetworkRow } from "../../host/store/mod.ts";
import { type Certificate, resolveName } from "../../membership/mod.ts";
import { Certificates, type Certified } from "./certificates.ts";
import { type Joined, loadJoined } from "./joined.ts";
import { noNetwork, whichOf } from "./network_errors.ts";
import type { NetworksParts } from "./parts.ts";

/** A network whose membership does not hold now: the certificate is over, or the clock is wrong. */
export interface Unsound {
  readonly row: NetworkRow;
  /** Why, and the way out. */
  readonly error: OmertaError;
}

/** What of a network changes while somebody holds it. */
type Changing = { -readonly [K in keyof Certified]: Certified[K] };

/** The networks of a node. */
export class NetworkBook {
  readonly certificates: Certificates;
  readonly #parts: NetworksParts;
  readonly #joined = new Map<NetworkId, Joined>();
  readonly #unsound = new Map<NetworkId, Unsound>();
  readonly #onChange = new Set<() => void>();

  /** The networks of the database. @throws {OmertaError} `state-damaged`. */
  constructor(parts: NetworksParts) {
    this.#parts = parts;
    this.certificates = new Certificates(parts);
    for (const row of parts.store.networks.list()) this.#tryLoad(row);
  }

  get(id: NetworkId): Joined | undefined {
    return this.#joined.get(id);
  }

  list(): Joined[] {
    return [...this.#joined.values()];
  }

  unsound(): Unsound[] {
    return [...this.#unsound.values()];
  }

  /** The row of a network, whether its membership holds or not. */
  rowOf(id: NetworkId): NetworkRow | undefined {
    return this.#joined.get(id)?.row ?? this.#unsound.get(id)?.row;
  }

  /**
   * The network of an id, a prefix or a name; `null`: the only one.
   *
   * @throws {OmertaError} `no-network`, `not-found`, `ambiguous`, `not-member`.
   */
  require(name: string | null): Joined {
    const all = this.list();
    if (name === null) {
      const [only, ...more] = all;
      if (only !== undefined && more.length === 0) return only;
      if (only === undefined) this.requireSound();
      if (only === undefined) throw noNetwork();
      throw new OmertaError("ambiguous", `This node belongs to ${all.length} networks`, {
        hint: "Name one with --network: see 'omerta network list'.",
      });
    }
    const things = all.map((joined) => ({ id: joined.row.id, alias: joined.row.name, joined }));
    const found = resolveName(name, things);
    if (found.ok) return found.value.joined;
    const unsound = this.findUnsound(name);
    if (unsound !== undefined) throw unsound.error;
    throw new OmertaError(found.reason, whichOf("network", found.reason, name), {
      hint: "See 'omerta network list'.",
    });
  }

  /** @throws {OmertaError} `not-member` where there are networks but no membership that is valid. */
  requireSound(): void {
    const [first] = this.#unsound.values();
    if (first !== undefined && this.#joined.size === 0) throw first.error;
  }

  /** The unsound network that is meant by a name; `null`: the only one. */
  findUnsound(name: string | null): Unsound | undefined {
    const all = this.unsound();
    if (name === null) return all.length === 1 && this.#joined.size === 0 ? all[0] : undefined;
    const things = all.map((unsound) => {
      return { id: unsound.row.id, alias: unsound.row.name, unsound };
    });
    const found = resolveName(name, things);
    return found.ok ? found.value.unsound : undefined;
  }

  /** A network's name is its admitter's word: where it is taken here, a part of the id is added. */
  freeName(name: string, network: NetworkId): string {
    const isTaken = this.list().some(({ row }) => row.name === name && row.id !== network);
    return isTaken ? `${name.slice(0, 25)}-${network.slice(0, 6)}` : name;
  }

  /** Writes a network down, new or with another certificate, and loads its books. */
  put(row: NetworkRow, certificate?: Certificate): Joined {
    this.#parts.store.networks.put(row);
    return this.#load(row, certificate);
  }

  /** Writes down what changed of a network that is held. */
  update({ row: { id } }: Joined, changes: Partial<NetworkRow>, certificate?: Certificate): void {
    const held: Changing | undefined = this.#joined.get(id);
    if (held === undefined) return; // it was left meanwhile
    const row = { ...held.row, ...changes };
    this.#parts.store.networks.put(row);
    held.row = row;
    if (certificate !== undefined) held.certificate = certificate;
  }

  /** Forgets a network, here and on the disk. */
  forget(id: NetworkId): void {
    this.#parts.store.networks.delete({ id });
    this.#joined.delete(id);
    this.#unsound.delete(id);
  }

  /**
   * Looks at the clock again: signs our own certificates anew where they are due, and takes up networks
   * whose membership holds now. Says whether anything changed.
   */
  refresh(): boolean {
    let isChanged = false;
    for (const { row } of this.unsound()) isChanged = this.#tryLoad(row) || isChanged;
    for (const joined of this.#joined.values()) {
      const { authoritySeed } = joined.row;
      if (authoritySeed === null || !this.certificates.isDue(joined)) continue;
      Object.assign(joined, this.certificates.renew(joined.row, authoritySeed));
      isChanged = true;
    }
    return isChanged;
  }

  /** Calls `listener` when keys or networks changed. */
  onChange(listener: () => void): void {
    this.#onChange.add(listener);
  }

  /** Tells that keys or networks changed. */
  changed(): void {
    for (const listener of this.#onChange) listener();
  }

  #load(row: NetworkRow, certificate?: Certificate): Joined {
    const certify = () => {
      return certificate === undefined ? this.certificates.read(row) : { row, certificate };
    };
    const joined = loadJoined(this.#parts.store, row.id, certify);
    this.#joined.set(row.id, joined);
    this.#unsound.delete(row.id);
    return joined;
  }

  /** Loads a network unless its membership does not hold; says whether it does. */
  #tryLoad(row: NetworkRow): boolean {
    try {
      this.#load(row);
      return true;
    } catch (error) {
      if (!(error instanceof OmertaError) || error.code !== "not-member") throw error;
      if (!this.#unsound.has(row.id)) {
        this.#parts.log.warn(`${error.message}. ${error.hint ?? ""}`);
      }
      this.#unsound.set(row.id, { row, error });
      return false;
    }
  }
}
