/**
 * What a node remembers: `omerta.db` as typed tables.
 *
 *     store.networks.put(row)   store.rentals.list({ endedAtMs: null })
 *     store.invites.get({ id }) store.transaction(() => { … })
 *
 * Every write is on the disk when its method returns.
 *
 * @module
 */
import type { SQLOutputValue } from "node:sqlite";
import * as v from "valibot";
import { Database } from "./database.ts";
import * as membership from "./membership_tables.ts";
import { BadColumn, type Codec, json } from "./codecs.ts";
import { type StoredValues, VALUES } from "./json.ts";
import { MIGRATIONS } from "./schema.ts";
import type { SetAside } from "./set_aside.ts";
import { Table } from "./table.ts";
import * as vms from "./vm_tables.ts";

export type * from "./membership_tables.ts";
export type * from "./vm_tables.ts";
export type { RentalDocument, StoredRequest, StoredSpec, StoredValues } from "./json.ts";
export type { Table } from "./table.ts";

/** Single values by name, as JSON: such as the UDP port. */
export interface Values {
  /** What was put under `key`; `undefined`: nothing. */
  get<K extends keyof StoredValues>(key: K): StoredValues[K] | undefined;
  /** What a part of the node kept under a key of its own. */
  get(key: string): unknown;
  put<K extends keyof StoredValues>(key: K, value: StoredValues[K]): void;
  put(key: string, value: unknown): void;
  delete(key: string): void;
}

/** A row that does not parse: it was put away when the database was opened. */
export type { SetAside } from "./set_aside.ts";

/** The open database of a node. Its methods throw `disk-full` and `state-damaged`. */
export interface Store {
  /** What was damaged, and was put away so that the rest lives. */
  readonly setAside: readonly SetAside[];
  readonly values: Values;
  readonly networks: Table<membership.NetworkRow, "id">;
  readonly oldEpochKeys: Table<membership.OldEpochKeyRow, "network" | "epoch">;
  readonly invites: Table<membership.InviteRow, "id">;
  readonly redemptions: Table<membership.RedemptionRow, "invite" | "subject">;
  readonly members: Table<membership.MemberRow, "network" | "node">;
  readonly revocations: Table<membership.RevocationRow, "network" | "node">;
  readonly pins: Table<membership.PinRow, "network" | "name">;
  readonly rentals: Table<vms.RentalRow, "id">;
  readonly hosted: Table<vms.HostedRow, "id">;
  readonly providers: Table<vms.ProviderRow, "network" | "node">;
  /** Runs `work` as a whole: all its writes happen, or, when it throws, none. May be nested. */
  transaction<T>(work: () => T): T;
  /** Forgets VMs that were lent and ended before `beforeMs`; says how many. */
  pruneHosted(beforeMs: number): number;
  close(): void;
}

/**
 * Opens the database of a state, or makes it. Only the holder of the state's lock may do so.
 *
 * @throws {OmertaError} `state-damaged`, `key-mode`, `unsupported` (made by a newer build),
 * `disk-full`.
 */
export function openStore(path: string): Store {
  const db = Database.open(path, MIGRATIONS);
  try {
    return settled(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The tables of a database, once every row in them is known to be right. */
function settled(db: Database): Store {
  const tables = openTables(db);
  const setAside = Object.values(tables).flatMap((table) => table.settle());
  const before = (table: string, column: string, ms: number) =>
    db.run(`DELETE FROM ${table} WHERE ${column} < ?`, [ms]);
  return {
    ...tables,
    setAside: [...settleValues(db), ...setAside],
    values: values(db),
    transaction: (work) => db.transaction(work),
    pruneHosted: (ms) => before("hosted", "ended_at_ms", ms),
    close: () => db.close(),
  };
}

function openTables(db: Database) {
  return {
    networks: new Table(db, membership.NETWORKS),
    oldEpochKeys: new Table(db, membership.OLD_EPOCH_KEYS),
    invites: new Table(db, membership.INVITES),
    redemptions: new Table(db, membership.REDEMPTIONS),
    members: new Table(db, membership.MEMBERS),
    revocations: new Table(db, membership.REVOCATIONS),
    pins: new Table(db, membership.PINS),
    rentals: new Table(db, vms.RENTALS),
    hosted: new Table(db, vms.HOSTED),
    providers: new Table(db, vms.PROVIDERS),
  };
}

/** Puts away single values that are not what their readers take. */
function settleValues(db: Database): SetAside[] {
  const rows = db.all("SELECT key, value FROM kv");
  const bad = rows.flatMap(({ key, value }) => {
    const name = String(key);
    const why = faultOf(name, value);
    return why === undefined ? [] : [{ table: "kv", key: name, column: "value", why, rowid: 0 }];
  });
  for (const { key, why } of bad) {
    db.run(
      "INSERT INTO set_aside (origin, key, why, row) SELECT 'kv', key, ?, quote(value) FROM kv WHERE key = ?",
      [why, key],
    );
    db.run("DELETE FROM kv WHERE key = ?", [key]);
  }
  return bad;
}

/** The codec of a single value; of those that are not known only that they are JSON. */
function codecOf(key: string): Codec<unknown> {
  const schema = Object.hasOwn(VALUES, key) ? VALUES[key as keyof typeof VALUES] : v.unknown();
  return json("value of its kind", schema) as Codec<unknown>;
}

function faultOf(key: string, value: SQLOutputValue | undefined): string | undefined {
  try {
    codecOf(key).decode(value ?? null);
    return undefined;
  } catch (error) {
    if (error instanceof BadColumn) return error.message;
    throw error;
  }
}

function values(db: Database): Values {
  return {
    get(key: string) {
      const [row] = db.all("SELECT value FROM kv WHERE key = ?", [key]);
      // Settled when the database was opened: what does not parse since then was never put.
      return row === undefined ? undefined : codecOf(key).decode(row.value ?? null);
    },
    put(key: string, value: unknown) {
      const upsert = "INSERT INTO kv (key, value) VALUES (?, ?) " +
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value";
      db.run(upsert, [key, codecOf(key).encode(value ?? null)]);
    },
    delete(key) {
      db.run("DELETE FROM kv WHERE key = ?", [key]);
    },
  } as Values;
}
