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
import { OmertaError } from "../base/mod.ts";

/** A native part: the network library or the program that runs one VM. */
export type AssetName = "libomerta_net.so" | "omerta-vm";

/** A program to unpack: its hash, known beforehand, and how to read the bytes when needed. */
export interface Program {
  readonly name: AssetName;
  /** SHA-256 in lower-case hex. */
  readonly sha256: string;
  read(): Promise<Uint8Array<ArrayBuffer>>;
}

/** Where `scripts/native` puts what it builds, seen from this file, embedded or not. */
const BUILD_DIRECTORY = new URL("../../build/", import.meta.url);
/** What `scripts/build` embeds beside the programs: lines of sha256sum(1). */
const SUMS = "SHA256SUMS";

/** Bytes hashed at a time: small, so that a start makes no garbage. A guess. */
const CHUNK_BYTES = 1 << 18;

/** access(2): may it be executed (false too where the file system is mounted noexec)? */
const X_OK = 1;
/** memfd_create(2) flags; `MFD_EXEC` is known since Linux 6.3, and refused before. */
const MFD_CLOEXEC = 1;
const MFD_EXEC = 0x10;

/** Numbers the files that are being written, for several may be at once. */
let writes = 0;

/** Programs that live in memory, because the state directory permits none: hash → path. */
const inMemory = new Map<string, string>();

/**
 * The path of a native part, ready to be loaded or started; in a compiled binary unpacked below
 * `stateDirectory` on first use, and its hash checked on every use.
 *
 * @throws {OmertaError} `native-damaged` where the part is missing or cannot be unpacked,
 * `disk-full` where there is no room for it.
 */
export async function assetPath(name: AssetName, stateDirectory: string): Promise<string> {
  const source = new URL(name, BUILD_DIRECTORY).pathname;
  if (!Deno.build.standalone) return await existing(source, name);
  const program = { name, sha256: await embeddedHash(name), read: () => Deno.readFile(source) };
  return await unpack(program, stateDirectory);
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

async function embeddedHash(name: AssetName): Promise<string> {
  const sums = await Deno.readTextFile(new URL(SUMS, BUILD_DIRECTORY)).catch(() => "");
  const line = sums.split("\n").find((line) => line.endsWith(`  ${name}`));
  if (line !== undefined) return line.slice(0, 64);
  throw new OmertaError("native-damaged", `This binary does not contain ${name}`, {
    hint: "Get a whole binary: it is made by scripts/build.",
  });
}

/**
 * Writes a program below the state directory unless it is there, whole; returns a path under which
 * the kernel will run it.
 *
 * @throws {OmertaError} `native-damaged`, `disk-full`.
 */
export async function unpack(program: Program, stateDirectory: string): Promise<string> {
  const path = `${stateDirectory}/bin/${program.sha256}/${program.name}`;
  const known = inMemory.get(program.sha256);
  if (known !== undefined) return known;
  try {
    if (!await holds(path, program.sha256)) await writeAtomically(path, await genuine(program));
    return await mayExecute(path) ? path : await intoMemory(program);
  } catch (cause) {
    throw unpackError(program.name, cause);
  }
}

/** The program's bytes, if they are what they must be. */
async function genuine(program: Program): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await program.read();
  const hash = createHash("sha256").update(bytes).digest("hex");
  if (hash === program.sha256) return bytes;
  throw new OmertaError("native-damaged", `The ${program.name} in this binary is damaged`, {
    hint: "Get the binary again: bytes of it were changed.",
  });
}

/** Whether the file is a regular one of ours, private, with that content. */
async function holds(path: string, sha256: string): Promise<boolean> {
  try {
    const info = await Deno.lstat(path);
    const isOurs = info.isFile && info.uid === Deno.uid() && ((info.mode ?? 0) & 0o777) === 0o700;
    return isOurs && hashOfFile(path) === sha256;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function hashOfFile(path: string): string {
  using file = Deno.openSync(path);
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let read = file.readSync(chunk); read !== null; read = file.readSync(chunk)) {
    hash.update(chunk.subarray(0, read));
  }
  return hash.digest("hex");
}

async function writeAtomically(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
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
  if (cause instanceof OmertaError) return cause;
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

// Both calls are nonblocking, but not for their duration: a function that is called at once is tied to an
// object that Deno's QuickJS engine may take for another one; the call then aborts the process.

async function mayExecute(path: string): Promise<boolean> {
  const libc = Deno.dlopen(Deno.build.os === "darwin" ? "libSystem.dylib" : "libc.so.6", {
    access: { parameters: ["buffer", "i32"], result: "i32", nonblocking: true },
  });
  try {
    const name = cString(path);
    const result = await libc.symbols.access(name, X_OK);
    return name.length > 0 && result === 0; // the name must live until the call is over
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
async function intoMemory(program: Program): Promise<string> {
  const path = `/proc/self/fd/${await createMemoryFile(program.name)}`;
  await Deno.writeFile(path, await genuine(program));
  inMemory.set(program.sha256, path);
  return path;
}

async function createMemoryFile(name: AssetName): Promise<number> {
  const libc = Deno.dlopen("libc.so.6", {
    memfd_create: { parameters: ["buffer", "u32"], result: "i32", nonblocking: true },
  });
  try {
    const text = cString(name);
    for (const flags of [MFD_CLOEXEC | MFD_EXEC, MFD_CLOEXEC]) {
      const descriptor = await libc.symbols.memfd_create(text, flags);
      if (text.length > 0 && descriptor >= 0) return descriptor; // it must live as long as the call
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
