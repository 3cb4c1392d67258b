/** The key of a node: made once, never replaced. */
import assert from "node:assert/strict";
import { seededRandom } from "../../../src/base/mod.ts";
import { loadIdentitySeed, readSecretSeed } from "../../../src/host/state/identity_file.ts";
import { statePaths } from "../../../src/host/state/state.ts";
import { inDirectory } from "../scratch.ts";

Deno.test(
  "loadIdentitySeed() makes a private key once and reads it afterwards",
  inDirectory((dir) => {
    const paths = statePaths(dir);
    const seed = loadIdentitySeed(paths, seededRandom(1));
    assert.equal(seed.length, 32);
    assert.deepEqual(loadIdentitySeed(paths, seededRandom(2)), seed);
    assert.equal((Deno.lstatSync(paths.identity).mode ?? 0) & 0o777, 0o600);
    assert.equal(Deno.readTextFileSync(paths.identity), `${seed.toHex()}\n`);
    assert.deepEqual([...Deno.readDirSync(dir)].map((entry) => entry.name), ["identity.key"]);
  }),
);

const DAMAGES = {
  "an empty key": "",
  "a truncated key": "ab".repeat(20),
  "a key that is too long": "ab".repeat(33),
  "a key with a second line": `${"ab".repeat(32)}\n\n`,
  "garbage": "\0\xff not a key".repeat(10),
} as const;

for (const [what, content] of Object.entries(DAMAGES)) {
  Deno.test(
    `loadIdentitySeed() refuses ${what} and leaves it`,
    inDirectory((dir) => {
      const paths = statePaths(dir);
      Deno.writeTextFileSync(paths.identity, content, { mode: 0o600 });
      assert.throws(() => loadIdentitySeed(paths, seededRandom(1)), {
        code: "state-damaged",
        hint: /backup.*join the networks anew with fresh invites/,
      });
      assert.equal(Deno.readTextFileSync(paths.identity), content);
    }),
  );
}

Deno.test(
  "loadIdentitySeed() refuses a key that others may read, and tells the way out",
  inDirectory((dir) => {
    const paths = statePaths(dir);
    loadIdentitySeed(paths, seededRandom(1));
    for (const mode of [0o644, 0o640, 0o604, 0o620]) {
      Deno.chmodSync(paths.identity, mode);
      assert.throws(() => readSecretSeed(paths.identity), { code: "key-mode", hint: /chmod 600/ });
    }
  }),
);

Deno.test(
  "loadIdentitySeed() refuses a link in the place of the key",
  inDirectory((dir) => {
    const paths = statePaths(dir);
    Deno.writeTextFileSync(`${dir}/elsewhere`, "ab".repeat(32), { mode: 0o600 });
    Deno.symlinkSync(`${dir}/elsewhere`, paths.identity);
    assert.throws(() => loadIdentitySeed(paths, seededRandom(1)), { code: "state-damaged" });
  }),
);
