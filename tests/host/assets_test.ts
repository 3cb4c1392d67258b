/** Unpacking embedded programs: whole, private, checked at every use, also where disk may not run. */
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { type AssetName, type Program, unpack } from "../../src/host/assets.ts";
import { OmertaError } from "../../src/base/mod.ts";
import { testUnless } from "./scratch.ts";

async function programOf(path: string, name: AssetName): Promise<Program> {
  const sha256 = createHash("sha256").update(await Deno.readFile(path)).digest("hex");
  return { name, sha256, read: () => Deno.readFile(path) };
}

const program = await programOf("/bin/true", "omerta-vm");

async function withState(run: (state: string) => Promise<void>): Promise<void> {
  const state = await Deno.makeTempDir({ prefix: "omerta-assets-" });
  try {
    await run(state);
  } finally {
    await Deno.remove(state, { recursive: true });
  }
}

function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

async function runs(path: string): Promise<boolean> {
  return (await new Deno.Command(path).output()).success;
}

Deno.test("unpack() writes a program that runs, by its hash and for its owner only", async () => {
  await withState(async (state) => {
    const path = await unpack(program, state);
    assert(/\/bin\/[0-9a-f]{64}\/omerta-vm$/.test(path), path);
    assert(((await Deno.stat(path)).mode ?? 0) % 0o1000 === 0o700, "mode is not 0700");
    assert(
      ((await Deno.stat(dirname(path))).mode ?? 0) % 0o1000 === 0o700,
      "directory is not 0700",
    );
    assert(await runs(path), "the program does not run");
  });
});

Deno.test("unpack() leaves a whole program as it is", async () => {
  await withState(async (state) => {
    const before = await Deno.stat(await unpack(program, state));
    const after = await Deno.stat(await unpack(program, state));
    assert(before.ino === after.ino, "the file was written again");
  });
});

Deno.test("unpack() replaces a program that was changed, linked or opened to others", async () => {
  await withState(async (state) => {
    const path = await unpack(program, state);
    const damage = [
      () => Deno.writeFile(path, new Uint8Array([1]), { append: true }),
      () => Deno.truncate(path, 10),
      () => Deno.chmod(path, 0o777),
      () => Deno.remove(path).then(() => Deno.symlink("/bin/false", path)),
    ];
    for (const harm of damage) {
      await harm();
      assert(await runs(await unpack(program, state)), String(harm));
      assert((await Deno.lstat(path)).isFile, "still a link");
      assert(((await Deno.lstat(path)).mode ?? 0) % 0o1000 === 0o700, "mode is not 0700");
    }
  });
});

testUnless(
  Deno.uid() === 0 ? undefined : "only root can give a file away",
  "unpack() replaces a program that somebody else owns, who could change it at any time",
  () =>
    withState(async (state) => {
      const path = await unpack(program, state);
      await Deno.chown(path, 977, null);
      await unpack(program, state);
      assert((await Deno.stat(path)).uid === 0, "the program is still somebody else's");
    }),
);

Deno.test("unpack() called at once by several leaves one whole program and no scraps", async () => {
  await withState(async (state) => {
    const paths = await Promise.all([1, 2, 3, 4].map(() => unpack(program, state)));
    assert(new Set(paths).size === 1, paths.join());
    const names = [...Deno.readDirSync(dirname(paths[0] ?? ""))].map((entry) => entry.name);
    assert(names.join() === "omerta-vm", names.join());
  });
});

Deno.test("unpack() refuses embedded bytes that are not what they must be", async () => {
  await withState(async (state) => {
    const damaged = { ...program, read: () => Promise.resolve(new Uint8Array(10)) };
    const error = await unpack(damaged, state).catch((error) => error);
    assert(error instanceof OmertaError && error.code === "native-damaged", String(error));
    assert(/damaged/.test(error.message), error.message);
  });
});

Deno.test("unpack() reports a state directory that cannot be written as an error for people", async () => {
  const error = await unpack(program, "/proc/none").catch((error) => error);
  assert(error instanceof OmertaError && error.code === "native-damaged", String(error));
  assert(error.hint !== undefined, "no hint");
});

testUnless(
  Deno.build.os === "linux" && Deno.uid() === 0 ? undefined : "root: only root can mount noexec",
  "unpack() runs and loads a program from memory where the state directory is noexec",
  async () => {
    const program = { path: "/bin/true", ...await programOf("/bin/true", "omerta-vm") };
    const libm = "/lib/x86_64-linux-gnu/libm.so.6";
    const library = { path: libm, ...await programOf(libm, "libomerta_net.so") };
    await withState(async (state) => {
      const script = `
        const { unpack } = await import(${
        JSON.stringify(import.meta.resolve("../../src/host/assets.ts"))
      });
        const programs = ${JSON.stringify([program, library])};
        const [path, library] = await Promise.all(programs.map((program) =>
          unpack({ ...program, read: () => Deno.readFile(program.path) }, "${state}")));
        Deno.dlopen(library, { cos: { parameters: ["f64"], result: "f64" } }).close();
        const { success } = await new Deno.Command(path).output();
        console.log(path.startsWith("/proc/self/fd/") && success);`;
      await Deno.writeTextFile(`${state}/try.ts`, script);
      const inner =
        `mount -t tmpfs -o noexec tmpfs ${state}/bin && exec "$0" run -qA ${state}/try.ts`;
      await Deno.mkdir(`${state}/bin`);
      const { stdout, stderr } = await new Deno.Command("unshare", {
        args: ["-m", "sh", "-c", inner, Deno.execPath()],
      }).output();
      const said = new TextDecoder().decode(stdout).trim();
      assert(said === "true", said + new TextDecoder().decode(stderr));
    });
  },
);
