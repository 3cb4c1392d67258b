/**
 * Rows that do not parse, put away whole: out of the way of what lives, and there for whoever wants to
 * look what they were.
 *
 * @module
 */
import type { Database } from "./database.ts";

/** Most rows that are kept. Guess: far above what one damage leaves; the oldest go first. */
const KEPT_MAX = 1_000;

/** A row that does not parse, and why. */
export interface SetAside {
  readonly table: string;
  /** The values of its key, as far as they can be shown. */
  readonly key: string;
  /** The first column that is not as it should be. */
  readonly column: string;
  readonly why: string;
  readonly rowid: number;
}

/** Moves a row out of its table; each column is kept as an SQL literal. */
export function setAside(
  db: Database,
  table: string,
  columns: readonly string[],
  { rowid, key, column, why }: SetAside,
): void {
  const literals = columns.map((name) => `'${name}=' || quote(${name})`).join(` || ', ' || `);
  db.transaction(() => {
    db.run(
      `INSERT INTO set_aside (origin, key, why, row) ` +
        `SELECT ?, ?, ?, ${literals} FROM ${table} WHERE rowid = ?`,
      [table, key, `${column}: ${why}`, rowid],
    );
    db.run(`DELETE FROM ${table} WHERE rowid = ?`, [rowid]);
    db.run(`DELETE FROM set_aside WHERE rowid <= (SELECT max(rowid) FROM set_aside) - ?`, [
      KEPT_MAX,
    ]);
  });
}
