/** Images are found, unpacked whole, checked at every use, and replaced where they are damaged. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { type ErrorCode, OmertaError } from "../../../src/base/mod.ts";
import { type Images, openImages } from "../../../src/host/vm/images.ts";
import { MICRO } from "../../../src/vm/mod.ts";
import { testUnless } from "../scratch.ts";

interface Place {
  readonly state: string;
  readonly embedded: string;
  readonly logged: string[];
  readonly images: Images;
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Writes a small image, which nothing could boot, and returns its id. */
async function writeImage(
  directory: string,
  name: string,
  words = "kernel",
  guest: string | undefined = undefined,
): Promise<string> {
  await Deno.mkdir(directory, { recursive: true });
  const describe = async (file: string, text: string) => {
    const bytes = new TextEncoder().encode(text.repeat(50_000));
    await Deno.writeFile(`${directory}/${file}`, bytes);
    return { file, sha256: sha256(bytes), bytes: bytes.length };
  };
  const kernel = await describe("kernel", words);
  const initrd = await describe("initrd", "initrd");
  const schema = "omerta.image/1";
  const manifest = { schema, name, arch: "x86_64", kernel, initrd, append: "", guest };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  await Deno.writeFile(`${directory}/manifest.json`, bytes);
  return sha256(bytes);
}

async function withPlace(run: (place: Place) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "omerta-images-" });
  const sources = { state: `${root}/state`, embedded: `${root}/embedded` };
  const logged: string[] = [];
  const images = openImages({ ...sources, log: (text) => logged.push(text) });
  try {
    await run({ ...sources, logged, images });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

function isError(code: ErrorCode): (error: unknown) => true {
  return (error) => {
    ok(error instanceof OmertaError, String(error));
    strictEqual(error.code, code);
    ok(error.hint !== undefined, "no hint");
    return true;
  };
}

/** Changes one bit in the middle of a file and leaves its length and time as they were. */
async function flipBit(path: string): Promise<void> {
  const { size, atime, mtime } = await Deno.stat(path);
  using file = await Deno.open(path, { read: true, write: true });
  const at = size >> 1;
  const byte = new Uint8Array(1);
  await file.seek(at, Deno.SeekMode.Start);
  await file.read(byte);
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(byte.map((value) => value ^ 1));
  await Deno.utime(path, atime ?? new Date(), mtime ?? new Date());
}

async function namesIn(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory), (entry) => entry.name)).sort();
}

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

Deno.test("find() unpacks the embedded image whole, for its owner only", async () => {
  await withPlace(async ({ state, embedded, images, logged }) => {
    const id = await writeImage(embedded, "micro");
    const image = await images.find("micro");
    strictEqual(image.id, id);
    strictEqual(image.kernel, `${state}/images/${id}/kernel`);
    for (const name of ["kernel", "initrd", "manifest.json"]) {
      const path = `${state}/images/${id}/${name}`;
      deepStrictEqual(await Deno.readFile(path), await Deno.readFile(`${embedded}/${name}`));
      strictEqual(await modeOf(path), 0o600);
    }
    strictEqual(await modeOf(`${state}/images/${id}`), 0o700);
    deepStrictEqual(await namesIn(`${state}/images`), [id]);
    deepStrictEqual(logged, []);
  });
});

Deno.test("find() takes an image by its id, the embedded one and any other that is there", async () => {
  await withPlace(async ({ embedded, state, images }) => {
    const id = await writeImage(embedded, "micro");
    strictEqual((await images.find(id)).id, id, "the embedded one, never asked for by its name");
    const other = await writeImage(`${state}/images/fresh`, "other", "another kernel");
    await Deno.rename(`${state}/images/fresh`, `${state}/images/${other}`);
    strictEqual((await images.find(other)).manifest.name, "other");
    await flipBit(`${state}/images/${other}/kernel`);
    await rejects(images.find(other), isError("image-corrupt"));
    await rejects(images.find("0".repeat(64)), isError("image-missing"));
  });
});

Deno.test("find() leaves a whole image as it is", async () => {
  await withPlace(async ({ embedded, images }) => {
    await writeImage(embedded, "micro");
    const before = await Deno.stat((await images.find("micro")).kernel);
    const after = await Deno.stat((await images.find("micro")).kernel);
    strictEqual(after.ino, before.ino);
  });
});

Deno.test("find() serves many callers at once", async () => {
  await withPlace(async ({ embedded, images }) => {
    const id = await writeImage(embedded, "micro");
    const found = await Promise.all(Array.from({ length: 8 }, () => images.find("micro")));
    strictEqual(found.every((image) => image.id === id), true);
  });
});

const DAMAGE: readonly [string, (directory: string) => Promise<void>][] = [
  ["a flipped bit in the kernel", (directory) => flipBit(`${directory}/kernel`)],
  ["a flipped bit in the initramfs", (directory) => flipBit(`${directory}/initrd`)],
  ["a flipped bit in the manifest", (directory) => flipBit(`${directory}/manifest.json`)],
  ["a truncated kernel", (directory) => Deno.truncate(`${directory}/kernel`, 10)],
  ["an empty manifest", (directory) => Deno.truncate(`${directory}/manifest.json`, 0)],
  ["a missing initramfs", (directory) => Deno.remove(`${directory}/initrd`)],
  ["a missing manifest", (directory) => Deno.remove(`${directory}/manifest.json`)],
  ["a link in place of the kernel", async (directory) => {
    await Deno.rename(`${directory}/kernel`, `${directory}/other`);
    await Deno.symlink("other", `${directory}/kernel`);
  }],
];

/** What a program that holds a file open can do to it without writing; only of unpacked ones. */
const MODES: typeof DAMAGE = [
  ["a kernel that its owner cannot read", (directory) => Deno.chmod(`${directory}/kernel`, 0)],
  ["an initramfs that all may write", (directory) => Deno.chmod(`${directory}/initrd`, 0o666)],
  ["a manifest that cannot be read", (directory) => Deno.chmod(`${directory}/manifest.json`, 0)],
];

/** An embedded image without a manifest is none; a link is read through. */
const IS_NONE_WHEN_EMBEDDED = ["a missing manifest", "a link in place of the kernel"];

for (const [what, harm] of [...DAMAGE, ...MODES]) {
  Deno.test(`find() puts an image aside that has ${what}, and unpacks it anew`, async () => {
    await withPlace(async ({ state, embedded, images, logged }) => {
      const id = await writeImage(embedded, "micro");
      for (let round = 1; round <= 2; round++) {
        await images.find("micro");
        await harm(`${state}/images/${id}`);
        strictEqual((await images.find("micro")).id, id);
        strictEqual(logged.length, round);
      }
      deepStrictEqual(await namesIn(`${state}/images`), [id, `${id}.corrupt`]);
    });
  });
}

for (const [what, harm] of DAMAGE.filter(([what]) => !IS_NONE_WHEN_EMBEDDED.includes(what))) {
  Deno.test(`find() reports an embedded image that has ${what}, and leaves nothing`, async () => {
    await withPlace(async ({ state, embedded, images }) => {
      await writeImage(embedded, "micro");
      await harm(embedded);
      await rejects(images.find("micro"), isError("image-corrupt"));
      deepStrictEqual(await namesIn(`${state}/images`).catch(() => []), []);
    });
  });
}

Deno.test("find() reports a damaged image that nothing can replace, and keeps it to look at", async () => {
  await withPlace(async ({ state, images }) => {
    const id = await writeImage(`${state}/new`, "debian");
    await Deno.mkdir(`${state}/images`);
    await Deno.rename(`${state}/new`, `${state}/images/${id}`);
    strictEqual((await images.find("debian")).id, id);
    await flipBit(`${state}/images/${id}/kernel`);
    await rejects(images.find("debian"), isError("image-corrupt"));
    deepStrictEqual(await namesIn(`${state}/images`), [`${id}.corrupt`]);
    await rejects(images.find("debian"), isError("image-missing"));
  });
});

Deno.test("find() reports an image that there is not, and what there is", async () => {
  await withPlace(async ({ embedded, images }) => {
    await rejects(images.find("micro"), isError("image-missing"));
    await writeImage(embedded, "micro");
    for (const name of ["debian", "", "../micro", "micro\n"]) {
      await rejects(images.find(name), (error) => {
        isError("image-missing")(error);
        return (error as OmertaError).hint?.includes("micro") === true;
      });
    }
  });
});

Deno.test("find() says who the guests of an image are, and refuses those whom nobody here knows", async () => {
  await withPlace(async ({ embedded, images, state }) => {
    await writeImage(embedded, "micro");
    strictEqual((await images.find("micro")).guest, MICRO);
    const id = await writeImage(`${state}/images/other`, "cloud", "cloud", "nocloud");
    await Deno.rename(`${state}/images/other`, `${state}/images/${id}`);
    for (const name of ["cloud", id]) {
      await rejects(images.find(name), isError("image-missing"));
      await rejects(images.find(name), { message: /image cloud is of a kind .*: nocloud$/ });
    }
    strictEqual((await images.find("micro")).guest, MICRO, "others are as they were");
  });
});

Deno.test("find() takes a new build of the image, and removes the old one", async () => {
  await withPlace(async ({ state, embedded, images }) => {
    const old = await writeImage(embedded, "micro", "old kernel");
    await images.find("micro");
    const current = await writeImage(embedded, "micro", "new kernel");
    strictEqual((await images.find("micro")).id, current);
    ok(old !== current);
    deepStrictEqual(await namesIn(`${state}/images`), [current]);
  });
});

Deno.test("find() is not disturbed by what a killed process left half unpacked", async () => {
  await withPlace(async ({ state, embedded, images }) => {
    const id = await writeImage(embedded, "micro");
    const left = `${state}/images/.new-${id.slice(0, 16)}`;
    await Deno.mkdir(left, { recursive: true });
    await Deno.writeTextFile(`${left}/kernel`, "half");
    strictEqual((await images.find("micro")).id, id);
    deepStrictEqual(await namesIn(`${state}/images`), [id]);
  });
});

Deno.test("find() goes on after a failure", async () => {
  await withPlace(async ({ embedded, images }) => {
    const first = images.find("micro");
    await rejects(first, isError("image-missing"));
    const id = await writeImage(embedded, "micro");
    strictEqual((await images.find("micro")).id, id);
  });
});

/** Whether a namespace may be made here in which a small disk can be mounted. */
const canMount = (await new Deno.Command("unshare", {
  args: ["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
  stdout: "null",
  stderr: "null",
}).output().catch(() => ({ success: false }))).success;

testUnless(
  canMount ? undefined : "root: unshare(1) may not mount",
  "find() reports a full disk, and leaves nothing on it",
  async () => {
    await withPlace(async ({ state, embedded }) => {
      await writeImage(embedded, "micro");
      await Deno.mkdir(state);
      const module = new URL("../../../src/host/vm/images.ts", import.meta.url).href;
      const code = `import { openImages } from ${JSON.stringify(module)};
        const images = openImages(${JSON.stringify({ state, embedded })});
        const error = await images.find("micro").catch((error) => error);
        const left = Array.from(Deno.readDirSync(${JSON.stringify(`${state}/images`)}));
        console.log(JSON.stringify([error.code, error.exit, left.length]));`;
      const run = `mount -t tmpfs -o size=200k none "$0" && exec "$1" eval "$2"`;
      const args = ["--user", "--map-root-user", "--mount", "sh", "-c", run, state];
      const output = await new Deno.Command("unshare", {
        args: [...args, Deno.execPath(), code],
      }).output();
      const text = new TextDecoder().decode(output.stdout) +
        new TextDecoder().decode(output.stderr);
      deepStrictEqual(text.trim(), '["disk-full",10,0]');
    });
  },
);
