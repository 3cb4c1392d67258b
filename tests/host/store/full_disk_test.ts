/** A disk that is full: a clear error each, nothing lost, and work again when there is room. */
import assert from "node:assert/strict";
import { seededRandom } from "../../../src/base/mod.ts";
import { writeFileAtomic } from "../../../src/host/files.ts";
import { loadIdentitySeed } from "../../../src/host/state/identity_file.ts";
import { openLogFile } from "../../../src/host/log.ts";
import { openState, statePaths } from "../../../src/host/state/state.ts";
import { openStore } from "../../../src/host/store/mod.ts";
import { mountObstacle, testUnless, withSmallDisk } from "../scratch.ts";

const obstacle = mountObstacle();

/** Fills the disk of `dir`; returns what makes room again. */
function fill(dir: string): () => void {
  const path = `${dir}/filler`;
  using file = Deno.openSync(path, { write: true, create: true });
  for (const size of [65_536, 4096, 1]) {
    try {
      for (;;) file.writeSync(new Uint8Array(size));
    } catch {
      // Full for pieces of this size.
    }
  }
  return () => Deno.removeSync(path);
}

testUnless(
  obstacle,
  "the identity is not made by halves on a full disk",
  () =>
    withSmallDisk(1 << 18, (dir) => {
      const paths = openState(dir);
      const empty = fill(dir);
      assert.throws(() => loadIdentitySeed(paths, seededRandom(1)), { code: "disk-full" });
      assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name), ["filler"]);
      empty();
      assert.equal(loadIdentitySeed(paths, seededRandom(1)).length, 32);
    }),
);

testUnless(
  obstacle,
  "the state directory cannot be made on a full disk",
  () =>
    withSmallDisk(1 << 14, (dir) => {
      let made = 0;
      // A directory takes no room of a tmpfs, but one of its inodes.
      assert.throws(() => {
        for (;;) openState(`${dir}/${made++}`);
      }, { code: "disk-full" });
    }),
);

testUnless(
  obstacle,
  "the database is not made by halves on a full disk",
  () =>
    withSmallDisk(1 << 18, (dir) => {
      const { database } = statePaths(dir);
      const empty = fill(dir);
      assert.throws(() => openStore(database), { code: "disk-full", hint: /Free some space/ });
      assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name), ["filler"]);
      empty();
      openStore(database).close();
    }),
);

testUnless(
  obstacle,
  "a database on a full disk refuses writes, keeps what it has, and goes on with room",
  () =>
    withSmallDisk(1 << 20, (dir) => {
      const store = openStore(statePaths(dir).database);
      store.values.put("before", 1);
      const empty = fill(dir);
      const large = "x".repeat(100_000);
      assert.throws(() => store.values.put("large", large), { code: "disk-full" });
      assert.throws(() => store.transaction(() => store.values.put("large", large)), {
        code: "disk-full",
      });
      assert.equal(store.values.get("before"), 1);
      assert.equal(store.values.get("large"), undefined);
      empty();
      store.values.put("large", large);
      store.close();
      const again = openStore(statePaths(dir).database);
      assert.equal(again.values.get("before"), 1);
      assert.equal(again.values.get("large"), large);
      again.close();
    }),
);

testUnless(
  obstacle,
  "a file is replaced as a whole or not at all on a full disk",
  () =>
    withSmallDisk(1 << 18, (dir) => {
      writeFileAtomic(`${dir}/a`, Uint8Array.of(1));
      fill(dir);
      assert.throws(() => writeFileAtomic(`${dir}/a`, new Uint8Array(8192)), { code: "disk-full" });
      assert.deepEqual(Deno.readFileSync(`${dir}/a`), Uint8Array.of(1));
    }),
);

testUnless(
  obstacle,
  "a full disk loses lines of the log, not the node, and the log says so afterwards",
  () =>
    withSmallDisk(1 << 18, (dir) => {
      const log = openLogFile(`${dir}/node.log`);
      const empty = fill(dir);
      log.write("x".repeat(5000));
      log.write("x".repeat(5000));
      empty();
      log.write("after");
      log.close();
      assert.match(Deno.readTextFileSync(`${dir}/node.log`), /2 lines lost.*\nafter\n$/);
    }),
);
