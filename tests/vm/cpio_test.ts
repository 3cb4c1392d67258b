import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { buildSeed, SEED_BYTES_MAX, type SeedFile } from "../../src/vm/mod.ts";

const text = (value: string) => new TextEncoder().encode(value);

/** Lets GNU cpio read an archive; its output lines. */
async function cpio(archive: Uint8Array, ...args: string[]): Promise<string[]> {
  const process = new Deno.Command("cpio", { args, stdin: "piped", stdout: "piped" }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(archive);
  await writer.close();
  const { stdout, success } = await process.output();
  strictEqual(success, true);
  return new TextDecoder().decode(stdout).trim().split("\n");
}

const FILES: readonly SeedFile[] = [
  { path: "omerta/env", mode: 0o600, bytes: text("A=1\n") },
  { path: "omerta/empty", mode: 0o644, bytes: new Uint8Array() },
  { path: "omerta/deep/er/x.y-z", mode: 0o755, bytes: text("xyz") },
  { path: "top", mode: 0o400, bytes: text("top\n") },
];

Deno.test("buildSeed() writes what cpio lists: folders first, root's, private", async () => {
  const lines = await cpio(buildSeed(FILES), "-itv", "--numeric-uid-gid", "--quiet");
  const seen = lines.map((line) => line.replaceAll(/ +/g, " ").split(" "));
  const listed = seen.map(([mode, , uid, gid, bytes, , , , path]) =>
    [mode, uid, gid, bytes, path].join(" ")
  );
  deepStrictEqual(listed, [
    "drwx------ 0 0 0 omerta",
    "-rw------- 0 0 4 omerta/env",
    "-rw-r--r-- 0 0 0 omerta/empty",
    "drwx------ 0 0 0 omerta/deep",
    "drwx------ 0 0 0 omerta/deep/er",
    "-rwxr-xr-x 0 0 3 omerta/deep/er/x.y-z",
    "-r-------- 0 0 4 top",
  ]);
});

Deno.test("buildSeed() writes what cpio unpacks, byte for byte", async () => {
  const bytes = Uint8Array.from({ length: 1001 }, (_, i) => i * 7);
  for (const length of [0, 1, 2, 3, 4, 5, 1001]) {
    const data = bytes.slice(0, length).map((byte) => 32 + byte % 90);
    const archive = buildSeed([{ path: "f", mode: 0o600, bytes: data }]);
    const lines = await cpio(archive, "-i", "--to-stdout", "--quiet", "f");
    strictEqual(lines.join("\n"), new TextDecoder().decode(data).trim());
  }
});

Deno.test("buildSeed() gives the same bytes for the same files, in whole blocks", () => {
  deepStrictEqual(buildSeed(FILES), buildSeed(FILES));
  strictEqual(buildSeed(FILES).length % 512, 0);
});

Deno.test("buildSeed() refuses paths that leave the root, repeat, or could be mistaken", () => {
  const paths = [
    "",
    "/etc/x",
    "../x",
    "a/../b",
    "a//b",
    "a/",
    ".hidden",
    "a b",
    "a\nb",
    "TRAILER!!!",
  ];
  for (const path of paths) {
    throws(() => buildSeed([{ path, mode: 0o600, bytes: text("") }]), RangeError, path);
  }
  const twice = { path: "a", mode: 0o600, bytes: text("") };
  throws(() => buildSeed([twice, twice]), RangeError);
  throws(() => buildSeed([{ ...twice, path: "a/b" }, twice]), RangeError);
  throws(() => buildSeed([twice, { ...twice, path: "a/b" }]), RangeError);
});

Deno.test("buildSeed() refuses wrong modes and too many bytes", () => {
  for (const mode of [-1, 0o1000, 0.5, NaN]) {
    throws(() => buildSeed([{ path: "a", mode, bytes: text("") }]), RangeError);
  }
  const bytes = new Uint8Array(SEED_BYTES_MAX);
  throws(() => buildSeed([{ path: "a", mode: 0o600, bytes }]), RangeError);
});
