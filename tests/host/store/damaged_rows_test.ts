/** A row that does not parse: named and put away, or, where nothing lives without it, told. */
import assert from "node:assert/strict";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { OmertaError } from "../../../src/base/mod.ts";
import { openStore, type Store } from "../../../src/host/store/mod.ts";
import { NETWORK, putRows, VM } from "./rows.ts";
import { withDirectory } from "../scratch.ts";

/** What somebody, or a bad disk, may have left in a column of each type. */
const GARBAGE: Readonly<Record<string, readonly SQLInputValue[]>> = {
  TEXT: ["", "{}", "[]", "null", '""', "{", "\u0000\u202e", "x".repeat(5000), "9e999", "-1", "🦆"],
  INTEGER: [-1, 0, 2, 2 ** 53 - 1, 2n ** 63n - 1n, -(2n ** 63n), 8_640_000_000_000_001],
  BLOB: [new Uint8Array(), new Uint8Array(31), new Uint8Array(33).fill(255)],
};

/** JSON that is nearly right: each is written into each JSON column. */
const NEARLY = [
  { entries: null },
  { entries: [{ id: "x", addresses: [] }] },
  ["rent", "everything"],
  { cpu: 2, memoryBytes: 1, storageBytes: 0, image: "micro", leaseMs: 1e-9 },
  { cpu: 2, memoryBytes: 1, storageBytes: 0, image: "micro", leaseMs: null },
  { created: null, identityFile: "relative", accelerator: "kvm", dryRun: false, timings: {} },
  { created: { tunnel: -1 }, imageDigest: 7 },
  { id: VM, owner: "x/y", state: "ready", deadlineMs: Number.MAX_SAFE_INTEGER },
].map((value) => JSON.stringify(value));

/** Tables without which the node does not know what it belongs to, or who does not any more. */
const VITAL = ["networks", "revocations"];

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
}

function columns(path: string): Column[] {
  const db = new DatabaseSync(path);
  const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
  const found = tables.flatMap(({ name: table }) =>
    db.prepare(`PRAGMA table_info(${table})`).all().map(({ name, type }) => ({
      table: String(table),
      name: String(name),
      type: String(type),
    }))
  );
  db.close();
  return found.filter(({ table }) => table !== "set_aside");
}

/** Writes into the file what no node would; false where the table's own rules forbid it. */
function damage(path: string, { table, name }: Column, value: SQLInputValue): boolean {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    db.prepare(`UPDATE ${table} SET ${name} = ?`).run(value);
    return true;
  } catch {
    return false; // such as a second row of one key
  } finally {
    db.close();
  }
}

function fresh(path: string): void {
  const store = openStore(path);
  putRows(store);
  store.close();
}

/** Everything that a node asks its store for at its start. */
function readAll(store: Store): void {
  for (const value of Object.values(store)) {
    if (value !== null && typeof value === "object" && "count" in value) {
      assert.equal(value.list().length, value.count());
    }
  }
  for (const key of ["port", "alias", "record-seq", "accelerator"]) store.values.get(key);
}

function check(path: string, column: Column, garbage: SQLInputValue): void {
  const what = `${column.table}.${column.name} = ${String(garbage).slice(0, 40)}`;
  try {
    const store = openStore(path);
    const isWhole = store.setAside.length === 0;
    try {
      readAll(store);
      for (const { table, key, why } of store.setAside) {
        assert.ok(!VITAL.includes(table), what);
        assert.ok(key !== "" || column.name !== "key", what);
        assert.match(why, /^it is no /, what);
      }
    } finally {
      store.close();
    }
    if (isWhole) return;
    const again = openStore(path); // what was put away stays away
    assert.deepEqual(again.setAside, [], what);
    again.close();
  } catch (error) {
    assert.ok(error instanceof OmertaError, `${what}: ${error}`);
    assert.equal(error.code, "state-damaged", what);
    assert.ok(VITAL.includes(String(error.fields.table)), what);
    assert.ok(error.message.includes(column.table), what);
  }
}

/** Runs `test` where nothing waits for a disk, if the machine has such a place. */
async function inMemory(test: (dir: string) => void): Promise<void> {
  await withDirectory((dir) => {
    const has = [...Deno.readDirSync("/dev")].some(({ name }) => name === "shm");
    const place = has ? Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "omerta-" }) : dir;
    try {
      test(place);
    } finally {
      if (has) Deno.removeSync(place, { recursive: true });
    }
  });
}

Deno.test("whatever any column holds, the store opens without it or says which row is damaged", () =>
  inMemory((dir) => {
    const whole = `${dir}/whole.db`;
    fresh(whole);
    let tried = 0;
    for (const column of columns(whole)) {
      const values = GARBAGE[column.type] ?? [];
      for (const garbage of column.type === "TEXT" ? [...values, ...NEARLY] : values) {
        const path = `${dir}/omerta.db`;
        Deno.copyFileSync(whole, path);
        if (!damage(path, column, garbage)) continue;
        check(path, column, garbage);
        tried++;
      }
    }
    assert.ok(tried > 500, `${tried} damages tried`);
  }));

function damaged(
  test: (path: string, run: (sql: string) => void) => void,
): () => Promise<void> {
  return () =>
    withDirectory((dir) => {
      const path = `${dir}/omerta.db`;
      fresh(path);
      test(path, (sql) => {
        const db = new DatabaseSync(path);
        db.exec(sql);
        db.close();
      });
    });
}

Deno.test(
  "a damaged network is named with its column, and nothing of the file is changed",
  damaged((path, run) => {
    run("UPDATE networks SET bootstrap = '{}'; UPDATE rentals SET request = '{}'");
    for (let i = 0; i < 2; i++) {
      assert.throws(() => openStore(path), {
        code: "state-damaged",
        message: new RegExp(`a damaged row of networks, ${NETWORK}: its bootstrap cannot be read`),
        hint: /backup/,
      });
    }
    run("UPDATE networks SET bootstrap = '{\"entries\":[]}'");
    const store = openStore(path);
    assert.deepEqual(store.setAside.map(({ table, key, column }) => [table, key, column]), [
      ["rentals", VM, "request"],
    ]);
    store.close();
  }),
);

Deno.test(
  "what is set aside can be looked at whole, and frees what it took",
  damaged((path, run) => {
    run("UPDATE rentals SET document = '{}', requested_at_ms = 9223372036854775807");
    const store = openStore(path);
    assert.equal(store.rentals.count(), 0);
    assert.equal(store.hosted.count(), 1);
    putRows(store); // the same key and name again
    store.close();
    const db = new DatabaseSync(path);
    const [row] = db.prepare("SELECT * FROM set_aside").all();
    db.close();
    assert.equal(row?.origin, "rentals");
    assert.match(String(row?.row), /id='vma+', network='n+a'.*requested_at_ms=9223372036854775807/);
  }),
);

Deno.test(
  "single values that their readers cannot use are gone",
  damaged((path, run) => {
    run(`UPDATE kv SET value = '"rm -rf /"' WHERE key = 'alias'`);
    run("UPDATE kv SET value = '1e9' WHERE key = 'port'");
    run("UPDATE kv SET value = '{' WHERE key = 'record-seq'");
    const store = openStore(path);
    assert.deepEqual(store.setAside.map(({ key }) => key).toSorted(), [
      "alias",
      "port",
      "record-seq",
    ]);
    assert.equal(store.values.get("alias"), undefined);
    store.close();
  }),
);
