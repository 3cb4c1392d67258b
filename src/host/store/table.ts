/**
 * One table as typed rows: camel-case fields over snake-case columns, a codec for each.
 *
 * Rows are put whole, by an upsert that never deletes: `INSERT OR REPLACE` would take the rows
 * that refer to it along.
 *
 * @module
 */
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import type { Database } from "./database.ts";

/** How a field is kept in a column. */
export interface Codec<T> {
  encode(value: T): SQLInputValue;
  decode(value: SQLOutputValue): T;
}

/** A number that SQLite keeps as INTEGER: counts, sizes, milliseconds. */
export const integer: Codec<number> = {
  encode: (value) => value,
  decode: (value) => Number(value),
};

/** True and false as 1 and 0. */
export const boolean: Codec<boolean> = {
  encode: (value) => value ? 1 : 0,
  decode: (value) => value !== 0,
};

/** Bytes; the caller's are copied, those that come back are the caller's own. */
export const bytes: Codec<Uint8Array> = { encode: (value) => value, decode: asBytes };

/** Any JSON value. What comes back is whatever was put: its reader knows the type. */
export const json: Codec<unknown> = {
  encode: (value) => JSON.stringify(value ?? null),
  decode: (value) => JSON.parse(String(value)),
};

/** Text, or one of its branded kinds. */
export function text<T extends string = string>(): Codec<T> {
  return { encode: (value) => value, decode: (value) => String(value) as T };
}

/** The same, where null stands for "none" or "unknown". */
export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return {
    encode: (value) => value === null ? null : codec.encode(value),
    decode: (value) => value === null ? null : codec.decode(value),
  };
}

function asBytes(value: SQLOutputValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`Cannot read a BLOB column: value is ${typeof value}`);
}

/** The codecs of all fields of a row. */
export type Codecs<Row> = { readonly [Field in keyof Row]-?: Codec<Row[Field]> };

/** What a table is. */
export interface TableShape<Row, Key extends keyof Row & string> {
  readonly name: string;
  readonly key: readonly Key[];
  readonly columns: Codecs<Row>;
  /** False: a crash of the machine may lose the last writes, which then need not wait for it. */
  readonly isDurable?: boolean;
}

/** Rows of one table. Every method may throw an `OmertaError`: `disk-full`, `state-damaged`. */
export class Table<Row extends object, Key extends keyof Row & string> {
  readonly #db: Database;
  readonly #shape: TableShape<Row, Key>;
  readonly #fields: readonly (keyof Row & string)[];
  readonly #upsert: string;

  constructor(db: Database, shape: TableShape<Row, Key>) {
    this.#db = db;
    this.#shape = shape;
    this.#fields = Object.keys(shape.columns) as (keyof Row & string)[];
    this.#upsert = upsertStatement(shape.name, shape.key, this.#fields);
  }

  /**
   * Makes or replaces the row of that key.
   *
   * @throws {OmertaError} `exists` where another row has what must be unique.
   */
  put(row: Row): void {
    this.#write(this.#upsert, this.#fields.map((field) => this.#encode(field, row[field])));
  }

  /** The row of that key. */
  get(key: Pick<Row, Key>): Row | undefined {
    return this.list(key as Partial<Row>)[0];
  }

  /** The rows whose fields have the given values; all rows without any. In the order of keys. */
  list(where: Partial<Row> = {}): Row[] {
    const { clause, values } = this.#where(where);
    const order = this.#shape.key.map(columnName).join(", ");
    const sql = `SELECT * FROM ${this.#shape.name}${clause} ORDER BY ${order}`;
    return this.#db.all(sql, values).map((row) => this.#decode(row));
  }

  /** How many rows have those values. */
  count(where: Partial<Row> = {}): number {
    const { clause, values } = this.#where(where);
    const sql = `SELECT count(*) AS n FROM ${this.#shape.name}${clause}`;
    return Number(this.#db.all(sql, values)[0]?.n);
  }

  /** Removes the rows of those values, at least one of which must be given; says how many. */
  delete(where: Partial<Row>): number {
    const { clause, values } = this.#where(where);
    if (clause === "") {
      throw new TypeError(`Cannot delete from ${this.#shape.name}: no field given`);
    }
    return this.#write(`DELETE FROM ${this.#shape.name}${clause}`, values);
  }

  #write(sql: string, values: SQLInputValue[]): number {
    const write = () => this.#db.run(sql, values);
    return this.#shape.isDurable === false ? this.#db.hurried(write) : write();
  }

  #where(where: Partial<Row>): { clause: string; values: SQLInputValue[] } {
    const fields = this.#fields.filter((field) => where[field] !== undefined);
    const terms = fields.map((field) => `${columnName(field)} IS ?`);
    const values = fields.map((field) => this.#encode(field, where[field] as Row[typeof field]));
    return { clause: terms.length === 0 ? "" : ` WHERE ${terms.join(" AND ")}`, values };
  }

  #encode<Field extends keyof Row & string>(field: Field, value: Row[Field]): SQLInputValue {
    return this.#shape.columns[field].encode(value);
  }

  #decode(row: Record<string, SQLOutputValue>): Row {
    const fields = this.#fields.map((field) => {
      const value = row[columnName(field)] ?? null;
      return [field, this.#shape.columns[field].decode(value)];
    });
    return Object.fromEntries(fields) as Row;
  }
}

function upsertStatement(
  table: string,
  key: readonly string[],
  fields: readonly string[],
): string {
  const columns = fields.map(columnName);
  const others = fields.filter((field) => !key.includes(field)).map(columnName);
  const update = others.map((column) => `${column} = excluded.${column}`).join(", ");
  return `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})
    ON CONFLICT (${key.map(columnName).join(", ")}) DO ${
    update ? `UPDATE SET ${update}` : "NOTHING"
  }`;
}

/** `joinedAtMs` → `joined_at_ms`. */
function columnName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
