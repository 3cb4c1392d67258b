/**
 * Where the native library, the VM helper and the guest image are. From source they lie in `build/`.
 * A compiled binary carries them; programs must be real files before the kernel runs or maps them:
 *
 *     embedded file ──sha256──▶ STATE/bin/SHA256/NAME (0700, written beside and renamed)
 *                                  │ on a file system mounted noexec
 *                                  ▼
 *                               memfd, /proc/self/fd/N
 *
 * The hash is checked at every use. `$TMPDIR` is never relied on: anybody may have put things there,
 * and it is often mounted noexec. Images are data: they are read where they are embedded.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { OmertaError, toHex } from "../base/mod.ts";

/** A native part: the network library or the program that runs one VM. */
export type AssetName = "libomerta_net.so" | "omerta-vm";

/** Where `scripts/native` puts what it builds, seen from this file, embedded or not. */
const BUILD_DIRECTORY = new URL("../../build/", import.meta.url);

/** access(2): may it be executed (false too where the file system is mounted noexec)? */
const X_OK = 1;
/** memfd_create(2) flags; `MFD_EXEC` is known since Linux 6.3, and refused before. */
const MFD_CLOEXEC = 1;
const MFD_EXEC = 0x10;

/** Numbers the files that are being written, for several may be at once. */
let writes = 0;

/** Programs that live in memory, because the state directory permits none: name → path. */
const inMemory = new Map<AssetName, string>();

/**
 * The path of a native part, ready to be loaded or started; in a compiled binary unpacked below
 * `stateDirectory` on first use, and checked against the embedded bytes on every use.
 *
 * @throws {OmertaError} `native-damaged` where the part is missing or cannot be unpacked,
 * `disk-full` where there is no room for it.
 */
export async function assetPath(name: AssetName, stateDirectory: string): Promise<string> {
  const source = new URL(name, BUILD_DIRECTORY).pathname;
  if (!Deno.build.standalone) return await existing(source, name);
  return inMemory.get(name) ?? await unpack(name, await embedded(source, name), stateDirectory);
}

/**
 * The directory of the image `micro`: `manifest.json` and the files that it names. In a compiled
 * binary it is virtual: read it with `Deno.readFile`, never hand its path to another program.
 */
export function imageSource(): string {
  return new URL("image/micro", BUILD_DIRECTORY).pathname;
}

async function existing(path: string, name: AssetName): Promise<string> {
  try {
    await Deno.stat(path);
    return path;
  } catch (cause) {
    throw new OmertaError("native-damaged", `The native part ${name} is not built`, {
      cause,
      hint: "Run scripts/native in the source tree.",
    });
  }
}

async function embedded(path: string, name: AssetName): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    throw new OmertaError("native-damaged", `This binary does not contain ${name}`, {
      cause,
      hint: "Get a whole binary: it is made by scripts/build.",
    });
  }
}

/**
 * Writes a program below the state directory unless it is there, whole; returns a path under which
 * the kernel will run it.
 *
 * @throws {OmertaError} `native-damaged`, `disk-full`.
 */
export async function unpack(
  name: AssetName,
  bytes: Uint8Array<ArrayBuffer>,
  stateDirectory: string,
): Promise<string> {
  const hash = sha256(bytes);
  const directory = `${stateDirectory}/bin/${hash}`;
  const path = `${directory}/${name}`;
  try {
    if (!await holds(path, hash)) await writeAtomically(directory, path, bytes);
  } catch (cause) {
    throw unpackError(name, cause);
  }
  return mayExecute(path) ? path : await intoMemory(name, bytes);
}

/** Whether the file is a regular one of ours, private, with that content. */
async function holds(path: string, hash: string): Promise<boolean> {
  try {
    const info = await Deno.lstat(path);
    const isOurs = info.isFile && info.uid === Deno.uid() && ((info.mode ?? 0) & 0o777) === 0o700;
    return isOurs && sha256(await Deno.readFile(path)) === hash;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function writeAtomically(
  directory: string,
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  const fresh = `${path}.${Deno.pid}-${writes++}`;
  try {
    await Deno.writeFile(fresh, bytes, { mode: 0o700 });
    await Deno.chmod(fresh, 0o700); // whatever the umask took away, or an old file had
    await Deno.rename(fresh, path);
  } catch (error) {
    await Deno.remove(fresh).catch(() => {}); // it may never have come to be
    throw error;
  }
}

function unpackError(name: AssetName, cause: unknown): OmertaError {
  const code = (cause as { code?: unknown }).code;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new OmertaError("disk-full", `No space to unpack ${name} into the state directory`, {
      cause,
      hint: "Free some space, or choose another state directory with --state.",
    });
  }
  return new OmertaError("native-damaged", `Cannot unpack ${name} into the state directory`, {
    cause,
    hint: "See whether the state directory belongs to you and is writable, or choose another.",
  });
}

function sha256(bytes: Uint8Array): string {
  return toHex(createHash("sha256").update(bytes).digest());
}

function openLibc() {
  return Deno.dlopen(Deno.build.os === "darwin" ? "libSystem.dylib" : "libc.so.6", {
    access: { parameters: ["buffer", "i32"], result: "i32" },
  });
}

function mayExecute(path: string): boolean {
  const libc = openLibc();
  try {
    return libc.symbols.access(cString(path), X_OK) === 0;
  } finally {
    libc.close();
  }
}

/**
 * Puts a program into memory, for a system whose state directory is mounted noexec. The descriptor
 * stays open as long as this process: its path is what is started or loaded.
 *
 * @throws {OmertaError} `native-damaged` where the kernel permits that neither.
 */
async function intoMemory(name: AssetName, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const path = `/proc/self/fd/${createMemoryFile(name)}`;
  await Deno.writeFile(path, bytes);
  inMemory.set(name, path);
  return path;
}

function createMemoryFile(name: AssetName): number {
  const libc = Deno.dlopen("libc.so.6", {
    memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  });
  try {
    for (const flags of [MFD_CLOEXEC | MFD_EXEC, MFD_CLOEXEC]) {
      const descriptor = libc.symbols.memfd_create(cString(name), flags);
      if (descriptor >= 0) return descriptor;
    }
  } finally {
    libc.close();
  }
  throw new OmertaError("native-damaged", `Neither disk nor memory may hold the program ${name}`, {
    hint: "Choose a state directory on a file system that is not mounted noexec, with --state.",
  });
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}
