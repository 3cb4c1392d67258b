/** The database: rows as put, nothing half-done, nothing silently replaced. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { VmId } from "../../../src/base/mod.ts";
import { type NetworkRow, openStore, type RentalRow } from "../../../src/host/store/mod.ts";
import { Database } from "../../../src/host/store/database.ts";
import { MIGRATIONS } from "../../../src/host/store/schema.ts";
import { NETWORK, NODE, ROWS } from "./rows.ts";
import { inDirectory, Program } from "../scratch.ts";

const WRITER = new URL("fake_writer.ts", import.meta.url).pathname;
const network: NetworkRow = ROWS.networks;
const rental: RentalRow = ROWS.rentals;

function withDatabase(test: (path: string) => void): () => void {
  return () => {
    const dir = Deno.makeTempDirSync({ prefix: "omerta-store-" });
    try {
      test(`${dir}/omerta.db`);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  };
}

Deno.test(
  "a row comes back as it was put, after closing and opening",
  withDatabase((path) => {
    const store = openStore(path);
    store.networks.put(network);
    store.rentals.put(rental);
    store.values.put("port", 4242);
    store.close();
    const again = openStore(path);
    assert.deepEqual(again.networks.get({ id: NETWORK }), network);
    assert.deepEqual(again.rentals.list({ endedAtMs: null }), [rental]);
    assert.equal(again.values.get("port"), 4242);
    assert.equal(again.values.get("none"), undefined);
    again.close();
  }),
);

Deno.test(
  "what a newer build added to JSON damages no row, and reaches nobody",
  withDatabase((path) => {
    const store = openStore(path);
    store.networks.put(network);
    store.rentals.put(rental);
    store.close();
    const db = new DatabaseSync(path);
    const add = (json: string) => `json_insert(${json}, '$.more', 1)`;
    db.exec(`UPDATE networks SET bootstrap = ${add("bootstrap")}`);
    db.exec(`UPDATE rentals SET request = ${add("request")}, document = ${add("document")}`);
    db.exec("INSERT INTO kv (key, value) VALUES ('later', '{\"anything\": 1}')");
    db.close();
    const again = openStore(path);
    assert.deepEqual(again.setAside, []);
    assert.deepEqual(again.networks.get({ id: NETWORK }), network);
    assert.deepEqual(again.rentals.get({ id: rental.id }), rental);
    assert.deepEqual(again.values.get("later"), { anything: 1 });
    again.close();
  }),
);

Deno.test(
  "the database is private to its owner",
  withDatabase((path) => {
    const store = openStore(path);
    store.values.put("a", 1);
    for (const { name } of Deno.readDirSync(path.slice(0, path.lastIndexOf("/")))) {
      const { mode } = Deno.lstatSync(`${path.slice(0, path.lastIndexOf("/"))}/${name}`);
      assert.equal((mode ?? 0) & 0o777, 0o600, name);
    }
    store.close();
  }),
);

Deno.test(
  "putting a network again keeps what refers to it, deleting it takes that along",
  withDatabase((path) => {
    const store = openStore(path);
    const member = { network: NETWORK, node: NODE, admittedAtMs: 1, invite: "i", expiresAtMs: 2 };
    store.networks.put(network);
    store.members.put({ ...member, grants: ["rent"] });
    store.rentals.put(rental);
    store.networks.put({ ...network, epoch: 2 });
    assert.equal(store.networks.get({ id: NETWORK })?.epoch, 2);
    assert.deepEqual(store.members.list({ network: NETWORK })[0]?.grants, ["rent"]);
    assert.equal(store.networks.delete({ id: NETWORK }), 1);
    assert.equal(store.members.count(), 0);
    assert.equal(store.rentals.count(), 1);
    store.close();
  }),
);

Deno.test(
  "what an older build wrote of members and invites is read by this one",
  withDatabase((path) => {
    const old = Database.open(path, MIGRATIONS.slice(0, 1));
    old.run(
      "INSERT INTO networks VALUES (?, 'home', 1, 1, 1, zeroblob(32), NULL, NULL, NULL, '{\"entries\":[]}')",
      [
        NETWORK,
      ],
    );
    for (const [id, uses] of [["one", 1], ["all", null]] as const) {
      old.run(
        "INSERT INTO invites VALUES (?, ?, zeroblob(32), '[\"rent\"]', 1, 9, ?, NULL, NULL)",
        [
          id,
          NETWORK,
          uses,
        ],
      );
    }
    for (const [id, atMs] of [["one", 3], ["all", 5]] as const) {
      old.run("INSERT INTO redemptions VALUES (?, ?, ?)", [id, NODE, atMs]);
    }
    old.run("INSERT INTO members VALUES (?, ?, '[\"rent\"]', x'0a', 3)", [NETWORK, NODE]);
    old.close();
    const store = openStore(path);
    const invites = store.invites.list();
    assert.deepEqual(
      invites.map(({ id, redeemed, redeemedAtMs }) => [id, redeemed, redeemedAtMs]),
      [
        ["all", 1, 5],
        ["one", 1, 3],
      ],
    );
    assert.deepEqual(store.redemptions.list().map(({ invite }) => invite), ["one"]);
    const [member] = store.members.list();
    assert.deepEqual([member?.invite, member?.expiresAtMs], ["all", 3 + 30 * 86_400_000]);
    store.close();
  }),
);

Deno.test(
  "a key and a name belong to one living VM, and are free when it has ended",
  withDatabase((path) => {
    const store = openStore(path);
    store.rentals.put(rental);
    const second = { ...rental, id: "vmbbbbbbbbbbbbbb" as VmId };
    assert.throws(() => store.rentals.put(second), { code: "exists" });
    assert.throws(() => store.rentals.put({ ...second, key: null }), { code: "exists" });
    store.rentals.put({ ...rental, endedAtMs: 5 });
    store.rentals.put(second);
    store.rentals.delete({ id: rental.id });
    assert.deepEqual(store.rentals.list().map((row) => row.id), [second.id]);
    store.close();
  }),
);

Deno.test(
  "what is known of a provider is kept by network and node",
  withDatabase((path) => {
    const store = openStore(path);
    const row = { network: NETWORK, node: NODE, trustedAtMs: 1, failures: 0, failedAtMs: null };
    store.providers.put({ ...row, servedAtMs: null });
    store.providers.put({ ...row, servedAtMs: 5 });
    assert.deepEqual(store.providers.list(), [{ ...row, servedAtMs: 5 }]);
    store.close();
  }),
);

Deno.test(
  "a transaction that throws leaves nothing, also when nested",
  withDatabase((path) => {
    const store = openStore(path);
    assert.throws(() =>
      store.transaction(() => {
        store.values.put("a", 1);
        store.transaction(() => store.values.put("b", 2));
        throw new Error("no");
      }), /no/);
    assert.equal(store.values.get("a"), undefined);
    assert.equal(store.values.get("b"), undefined);
    assert.equal(store.transaction(() => 3), 3);
    store.close();
  }),
);

Deno.test(
  "deleting without naming anything is a caller's mistake",
  withDatabase((path) => {
    const store = openStore(path);
    assert.throws(() => store.rentals.delete({}), TypeError);
    store.close();
  }),
);

Deno.test(
  "what was written is there after the process was killed",
  inDirectory(async (dir) => {
    const writer = new Program(WRITER, `${dir}/omerta.db`);
    let written = 0;
    while (written < 50) written = Number(await writer.line());
    await writer.kill();
    const store = openStore(`${dir}/omerta.db`);
    assert.ok(Number(store.values.get("number")) >= written);
    store.close();
  }),
);

const DAMAGES: readonly { what: string; code: string; make: (path: string) => void }[] = [
  { what: "garbage", code: "state-damaged", make: (path) => write(path, "garbage ".repeat(999)) },
  { what: "an empty file", code: "state-damaged", make: (path) => write(path, "") },
  { what: "a truncated database", code: "state-damaged", make: (path) => truncate(path) },
  { what: "a flipped page", code: "state-damaged", make: (path) => overwrite(path) },
  { what: "another program's database", code: "state-damaged", make: (path) => foreign(path) },
  { what: "a newer version", code: "unsupported", make: (path) => newer(path) },
  { what: "a file that others may read", code: "key-mode", make: (path) => open(path) },
  { what: "a directory", code: "state-damaged", make: (path) => Deno.mkdirSync(path) },
];

for (const { what, code, make } of DAMAGES) {
  Deno.test(
    `${what} is refused as ${code} and left as it is`,
    withDatabase((path) => {
      make(path);
      const before = Deno.statSync(path).isFile ? Deno.readFileSync(path) : undefined;
      assert.throws(() => openStore(path), { name: "OmertaError", code });
      if (before !== undefined) assert.deepEqual(Deno.readFileSync(path), before);
    }),
  );
}

function write(path: string, content: string): void {
  Deno.writeTextFileSync(path, content, { mode: 0o600 });
}

function fill(path: string): void {
  const store = openStore(path);
  store.transaction(() => {
    for (let i = 0; i < 500; i++) store.values.put(`key ${i}`, "x".repeat(100));
  });
  store.close();
}

function truncate(path: string): void {
  fill(path);
  Deno.truncateSync(path, 20_000);
}

function overwrite(path: string): void {
  fill(path);
  using file = Deno.openSync(path, { write: true });
  for (let page = 2; page < 20; page++) {
    file.seekSync(page * 4096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(4096).fill(0xa5));
  }
}

function foreign(path: string): void {
  write(path, "");
  const db = new DatabaseSync(path);
  db.exec("CREATE TABLE a (b)");
  db.close();
}

function newer(path: string): void {
  openStore(path).close();
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 999");
  db.close();
}

function open(path: string): void {
  openStore(path).close();
  Deno.chmodSync(path, 0o644);
}
