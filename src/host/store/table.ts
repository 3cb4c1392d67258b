/**
 * One table as typed rows: camel-case fields over snake-case columns, a codec for each.
 *
 * Rows are put whole, by an upsert that never deletes: `INSERT OR REPLACE` would take the rows
 * that refer to it along.
 *
 * A row that does not parse is found when the database is opened, before anybody asks for it: where
 * nothing lives without it, opening fails and names it; else it is set aside and the rest lives.
 *
 * @module
 */
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import { OmertaError } from "../../base/mod.ts";
import { BadColumn, type Codec } from "./codecs.ts";
import type { Database } from "./database.ts";
import { type SetAside, setAside } from "./set_aside.ts";

/** The codecs of all fields of a row. */
export type Codecs<Row> = { readonly [Field in keyof Row]-?: Codec<Row[Field]> };

/** What a table is. */
export interface TableShape<Row, Key extends keyof Row & string> {
  readonly name: string;
  readonly key: readonly Key[];
  readonly columns: Codecs<Row>;
  /** What becomes of a row that does not parse: it keeps the node from starting, or is put away. */
  readonly damaged: "refuse" | "set-aside";
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
    this.#db.run(this.#upsert, this.#fields.map((field) => this.#encode(field, row[field])));
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

  /**
   * Looks at every row, and sets aside those that do not parse.
   *
   * @returns what was set aside.
   * @throws {OmertaError} `state-damaged` for the first one that the node cannot live without.
   */
  settle(): SetAside[] {
    const { name, damaged } = this.#shape;
    const rows = this.#db.all(this.#survey());
    const bad = rows.flatMap((row) => this.#fault(row) ?? []);
    for (const fault of bad) {
      if (damaged === "refuse") throw this.#db.damagedRow(fault);
      setAside(this.#db, name, this.#fields.map(columnName), fault);
    }
    return bad;
  }

  /** A query for all rows, in which no number is too large to be looked at. */
  #survey(): string {
    const max = Number.MAX_SAFE_INTEGER;
    const columns = this.#fields.map(columnName).map((column) =>
      `CASE WHEN typeof(${column}) = 'integer' AND ${column} NOT BETWEEN -${max} AND ${max} ` +
      `THEN CAST(${column} AS TEXT) ELSE ${column} END AS ${column}`
    );
    return `SELECT rowid AS survey_rowid, ${columns.join(", ")} FROM ${this.#shape.name}`;
  }

  #fault(row: Record<string, SQLOutputValue>): SetAside | undefined {
    try {
      this.#decode(row);
      return undefined;
    } catch (error) {
      if (!(error instanceof OmertaError)) throw error;
      const { column, why } = error.fields as Pick<SetAside, "column" | "why">;
      const { name: table } = this.#shape;
      return { table, key: this.#keyText(row), column, why, rowid: Number(row.survey_rowid) };
    }
  }

  #keyText(row: Record<string, SQLOutputValue>): string {
    return this.#shape.key.map((field) => String(row[columnName(field)])).join(" ").slice(0, 120);
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
    return this.#db.run(`DELETE FROM ${this.#shape.name}${clause}`, values);
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
      return [field, this.#decodeField(field, row)];
    });
    return Object.fromEntries(fields) as Row;
  }

  #decodeField<Field extends keyof Row & string>(
    field: Field,
    row: Record<string, SQLOutputValue>,
  ): Row[Field] {
    const column = columnName(field);
    try {
      return this.#shape.columns[field].decode(row[column] ?? null);
    } catch (error) {
      if (!(error instanceof BadColumn)) throw error;
      const { name: table } = this.#shape;
      throw this.#db.damagedRow({ table, key: this.#keyText(row), column, why: error.message });
    }
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
