/** Files are whole or not there. */
import assert from "node:assert/strict";
import {
  createFileAtomic,
  diskError,
  hashFile,
  openDiskGauge,
  removeIfThere,
  writeFileAtomic,
} from "../../src/host/files.ts";
import { inDirectory } from "./scratch.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const names = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

Deno.test(
  "writeFileAtomic() makes and replaces, privately, leaving nothing beside",
  inDirectory((dir) => {
    writeFileAtomic(`${dir}/a`, bytes("one"));
    writeFileAtomic(`${dir}/a`, bytes("two"), 0o640);
    assert.equal(Deno.readTextFileSync(`${dir}/a`), "two");
    assert.equal((Deno.statSync(`${dir}/a`).mode ?? 0) & 0o777, 0o640);
    writeFileAtomic(`${dir}/b`, bytes(""));
    assert.equal((Deno.statSync(`${dir}/b`).mode ?? 0) & 0o777, 0o600);
    assert.deepEqual(names(dir), ["a", "b"]);
  }),
);

Deno.test(
  "writeFileAtomic() that fails leaves the old content and nothing beside",
  inDirectory((dir) => {
    Deno.mkdirSync(`${dir}/a`);
    assert.throws(() => writeFileAtomic(`${dir}/a`, bytes("one")));
    assert.throws(() => writeFileAtomic(`${dir}/none/a`, bytes("one")), Deno.errors.NotFound);
    assert.deepEqual(names(dir), ["a"]);
  }),
);

Deno.test(
  "createFileAtomic() leaves what is there",
  inDirectory((dir) => {
    assert.equal(createFileAtomic(`${dir}/a`, bytes("one")), true);
    assert.equal(createFileAtomic(`${dir}/a`, bytes("two")), false);
    assert.equal(Deno.readTextFileSync(`${dir}/a`), "one");
    assert.deepEqual(names(dir), ["a"]);
  }),
);

Deno.test(
  "removeIfThere() takes a missing file as removed, and nothing else",
  inDirectory((dir) => {
    removeIfThere(`${dir}/a`);
    Deno.mkdirSync(`${dir}/b/c`, { recursive: true });
    assert.throws(() => removeIfThere(`${dir}/b`));
  }),
);

Deno.test(
  "hashFile() gives the SHA-256 of a file larger than one read",
  inDirectory(async (dir) => {
    const content = new Uint8Array(300_000).fill(7);
    Deno.writeFileSync(`${dir}/a`, content);
    const want = new Uint8Array(await crypto.subtle.digest("SHA-256", content)).toHex();
    assert.equal(await hashFile(`${dir}/a`), want);
  }),
);

Deno.test("diskError() names a full disk and leaves other errors as they are", () => {
  const full = Object.assign(new Error("full"), { code: "ENOSPC" });
  assert.equal((diskError(full, "/a") as { code: string }).code, "disk-full");
  const other = new Error("other");
  assert.equal(diskError(other, "/a"), other);
  assert.equal(diskError(null, "/a"), null);
});

Deno.test(
  "openDiskGauge() knows how much room there is",
  inDirectory(async (dir) => {
    const { freeBytes, totalBytes } = (await openDiskGauge(dir))();
    assert.ok(freeBytes > 0 && freeBytes <= totalBytes);
  }),
);
