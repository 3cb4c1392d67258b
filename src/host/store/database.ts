/**
 * SQLite as this project uses it: one process, one connection, write-ahead log, every commit on the
 * disk before it is reported, except where a caller is in a hurry.
 *
 *     missing ──made beside, renamed──▶ whole ──quick_check, version──▶ open ──▶ closed
 *     there: not whole ─▶ state-damaged; newer ─▶ unsupported; nothing is ever overwritten
 *
 * A database is never empty, for it comes into being by a rename: an empty file is a damaged one.
 * Only the holder of the state's lock opens it, hence the exclusive mode, which also needs no
 * shared memory file (a full tmpfs would kill the process that maps one).
 *
 * @module
 */
import {
  DatabaseSync,
  type SQLInputValue,
  type SQLOutputValue,
  type StatementSync,
} from "node:sqlite";
import { type ErrorDetails, OmertaError } from "../../base/errors.ts";
import { diskFull, lookAt, PRIVATE_FILE, removeIfThere, syncDirectory } from "../files.ts";
import { octal } from "../state/state.ts";

/** Marks our files for file(1) and for us: "omrt". */
const APPLICATION_ID = 0x6f6d7274;

/** Result codes of SQLite. Source: https://www.sqlite.org/rescode.html */
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
const SQLITE_CONSTRAINT_UNIQUE = 2067;

/** `exec()` of Deno 2.9 gives SQLite's text for a code (sqlite3_errstr), but not the code. */
const CODES_BY_TEXT: Readonly<Record<string, number>> = {
  "disk I/O error": SQLITE_IOERR,
  "database disk image is malformed": SQLITE_CORRUPT,
  "database or disk is full": SQLITE_FULL,
  "file is not a database": SQLITE_NOTADB,
};

/** What makes version N + 1 from version N: the statements at index N. Only ever appended to. */
export type Migrations = readonly string[];

/** An open database; every method may throw `disk-full` or `state-damaged`. */
export class Database {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(path: string, db: DatabaseSync) {
    this.#path = path;
    this.#db = db;
  }

  /**
   * Opens the database at `path`, made or brought to the newest version where needed.
   *
   * @throws {OmertaError} `state-damaged`, `key-mode`, `unsupported` (made by a newer build),
   * `disk-full`.
   */
  static open(path: string, migrations: Migrations): Database {
    const info = lookAt(path);
    if (info === undefined) create(path, migrations);
    else checkFile(path, info);
    const db = guard(path, () => new DatabaseSync(path, { enableForeignKeyConstraints: true }));
    try {
      guard(path, () => prepare(path, db, migrations));
    } catch (error) {
      db.close();
      throw error;
    }
    return new Database(path, db);
  }

  /** The rows of a query. */
  all(sql: string, values: SQLInputValue[] = []): Record<string, SQLOutputValue>[] {
    return guard(this.#path, () => this.#statement(sql).all(...values));
  }

  /** Runs a statement; returns how many rows it changed. */
  run(sql: string, values: SQLInputValue[] = []): number {
    return guard(this.#path, () => Number(this.#statement(sql).run(...values).changes));
  }

  /** Runs `work` as a whole: all its writes happen, or, when it throws, none. May be nested. */
  transaction<T>(work: () => T): T {
    if (this.#db.isTransaction) return work();
    this.run("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.run("COMMIT");
      return result;
    } catch (error) {
      // A failed COMMIT may have rolled back itself: on a full disk, for instance.
      if (this.#db.isTransaction) this.run("ROLLBACK");
      throw error;
    }
  }

  /** The error that a row is not as this program writes it. */
  damagedRow(
    { table, key, column, why }: {
      readonly table: string;
      readonly key: string;
      readonly column: string;
      readonly why: string;
    },
  ): OmertaError {
    const what = `holds a damaged row of ${table}, ${key}: its ${column} cannot be read, ${why}`;
    return damaged(this.#path, what, { fields: { table, key, column, why } });
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function checkFile(path: string, info: Deno.FileInfo): void {
  if (!info.isFile) throw damaged(path, "is not a regular file");
  if (info.uid !== Deno.uid()) throw damaged(path, `belongs to user ${info.uid}`);
  if (info.size === 0) throw damaged(path, "is empty");
  const mode = (info.mode ?? 0) & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new OmertaError("key-mode", `${path} may be read by others (mode ${octal(mode)})`, {
    hint: `If nobody else read it: chmod 600 ${path}. It holds keys of networks and VMs.`,
  });
}

/** Makes a whole database beside and puts it into place. */
function create(path: string, migrations: Migrations): void {
  const fresh = `${path}.${Deno.pid}.new`;
  removeIfThere(fresh);
  removeIfThere(`${path}-wal`); // of a database that somebody removed: nothing could be read by it
  try {
    guard(path, () => writeNew(fresh, migrations));
    Deno.renameSync(fresh, path);
  } catch (error) {
    removeIfThere(fresh);
    removeIfThere(`${fresh}-journal`);
    throw error;
  }
  syncDirectory(path.slice(0, path.lastIndexOf("/")) || "/");
}

function writeNew(path: string, migrations: Migrations): void {
  Deno.openSync(path, { write: true, createNew: true, mode: PRIVATE_FILE }).close();
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    migrate(db, migrations, 0);
  } finally {
    db.close();
  }
}

function prepare(path: string, db: DatabaseSync, migrations: Migrations): void {
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  const problem = pragma(db, "quick_check(1)");
  if (problem !== "ok") throw damaged(path, `is damaged: ${problem}`);
  if (pragma(db, "application_id") !== APPLICATION_ID) {
    throw damaged(path, "is a database of another program");
  }
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
  const version = Number(pragma(db, "user_version"));
  if (version > migrations.length) throw tooNew(path, version, migrations.length);
  migrate(db, migrations, version);
}

function pragma(db: DatabaseSync, name: string): SQLOutputValue | undefined {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

function migrate(db: DatabaseSync, migrations: Migrations, version: number): void {
  for (let next = version; next < migrations.length; next++) {
    db.exec(`BEGIN; ${migrations[next]}; PRAGMA user_version = ${next + 1}; COMMIT`);
  }
}

/** Runs `work`, naming what a failing disk or database means. */
function guard<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw named(path, error);
  }
}

function named(path: string, error: unknown): unknown {
  const code = resultCode(error);
  if (code === SQLITE_CONSTRAINT_UNIQUE) return conflict(error);
  switch (code & 0xff) { // the primary code
    case SQLITE_FULL:
      return diskFull(path, error);
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return damaged(path, `cannot be read: ${(error as Error).message}`, { cause: error });
    default:
      return error;
  }
}

/** The extended result code of an error of SQLite's; 0 for any other error. */
function resultCode(error: unknown): number {
  const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string };
  if (code !== "ERR_SQLITE_ERROR") return 0;
  return errcode ?? CODES_BY_TEXT[message ?? ""] ?? 0;
}

function conflict(cause: unknown): OmertaError {
  const [, columns = "name"] = /failed: (.*)/.exec((cause as Error).message) ?? [];
  return new OmertaError("exists", `Something else has the same ${columns}`, { cause });
}

function damaged(
  path: string,
  what: string,
  more: Pick<ErrorDetails, "cause" | "fields"> = {},
): OmertaError {
  return new OmertaError("state-damaged", `${path} ${what}`, {
    ...more,
    hint: "Restore the state directory from a backup. Without one move this file away: the node " +
      "keeps its identity, and must join its networks again.",
  });
}

function tooNew(path: string, version: number, known: number): OmertaError {
  return new OmertaError(
    "unsupported",
    `${path} is of version ${version}; this build knows versions up to ${known}`,
    { hint: "Use the newer build of omerta that wrote it." },
  );
}
