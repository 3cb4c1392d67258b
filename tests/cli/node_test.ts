/** The program with real nodes: they start in the background, keep a log, and end. */
import { deepStrictEqual, doesNotMatch, match, strictEqual } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { LOG_BYTES_MAX } from "../../src/host/log.ts";
import { openStore } from "../../src/host/store/mod.ts";
import { ROWS } from "../host/store/rows.ts";
import { type Ended, omerta, withState } from "./program.ts";

/** A test that starts nodes on a state, and leaves none behind. */
function nodeTest(name: string, test: (state: string) => Promise<void>): void {
  Deno.test(name, () =>
    withState(async (state) => {
      try {
        await test(state);
      } finally {
        await run(state, ["mesh", "stop"]);
      }
    }));
}

async function run(
  state: string,
  argv: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  return await omerta([...argv, "--state", state], env);
}

nodeTest("a background node rotates its own log, which stays private", async (state) => {
  const log = `${state}/node.log`;
  // Short of the size at which the command rotates: the node's first line is one too many.
  await Deno.writeTextFile(log, "x".repeat(LOG_BYTES_MAX - 10), { mode: 0o600 });
  strictEqual((await run(state, ["network", "create", "home"])).status, 0);
  match(await Deno.readTextFile(log), /^20.* info +a background node starts/);
  for (const path of [log, `${log}.1`]) strictEqual(mode(await Deno.stat(path)), 0o600);
  strictEqual((await Deno.stat(`${log}.1`)).size, LOG_BYTES_MAX - 10);
});

nodeTest("with OMERTA_LINGER=0 every command works, and no node is left", async (state) => {
  const env = { OMERTA_LINGER: "0" };
  strictEqual((await run(state, ["network", "create", "home"], env)).status, 0);
  const listed = [0, 1, 2].map(() => run(state, ["network", "list", "--json"], env));
  for (const { status, stdout, stderr } of await Promise.all(listed)) {
    strictEqual(status, 0, stderr);
    strictEqual(JSON.parse(stdout).networks[0].name, "home");
  }
  using lock = await Deno.open(`${state}/node.lock`, { read: true, write: true });
  await lock.lock(true); // by and by it is free: no node waits for another call
});

nodeTest("one damaged row costs itself and no more, and the log names it", async (state) => {
  strictEqual((await run(state, ["network", "create", "home"])).status, 0);
  await run(state, ["mesh", "stop"]);
  const store = openStore(`${state}/omerta.db`);
  store.rentals.put(ROWS.rentals);
  store.close();
  alter(state, "UPDATE rentals SET request = '{}'; UPDATE invites SET grants = '7'");
  alter(state, "UPDATE kv SET value = '\"x\"' WHERE key = 'port'");
  const listed = await run(state, ["list", "--json"]);
  strictEqual(listed.status, 0, listed.stderr);
  deepStrictEqual(JSON.parse(listed.stdout).vms, []);
  const log = await Deno.readTextFile(`${state}/node.log`);
  match(log, /error a damaged row .* table=rentals key=vma+ column=request/);
  match(log, /error a damaged row .* table=kv key=port/);
  doesNotMatch(log, /a defect/);
});

nodeTest("a damaged network is exit 9, by its table and its key", async (state) => {
  const { stdout } = await run(state, ["network", "create", "home", "--json"]);
  const { id } = JSON.parse(stdout).network;
  await run(state, ["mesh", "stop"]);
  alter(state, "UPDATE networks SET bootstrap = '{}'");
  for (const argv of [["list"], ["mesh", "run"]]) {
    const { status, stdout } = await run(state, [...argv, "--json"]);
    strictEqual(status, 9);
    const { error } = JSON.parse(stdout);
    deepStrictEqual([error.code, error.table, error.key, error.column], [
      "state-damaged",
      "networks",
      id,
      "bootstrap",
    ]);
  }
});

function alter(state: string, sql: string): void {
  const db = new DatabaseSync(`${state}/omerta.db`);
  db.exec(sql);
  db.close();
}

function mode(info: Deno.FileInfo): number {
  return (info.mode ?? 0) & 0o777;
}
