/**
 * Files that are whole or not there: written beside, synced, then renamed or linked into place.
 *
 *     PATH.PID.N.new ──write──fsync──rename (replace) or link (create)──▶ PATH ──fsync directory
 *
 * A full disk becomes the error `disk-full` here, in one place. Every command loads this file:
 * modules of Node's are loaded where they are used, for `node:fs` alone takes 14 ms.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";

/** Private to the owner: the mode of every file that omerta writes. */
export const PRIVATE_FILE = 0o600;
/** Private to the owner: the mode of every directory that omerta makes. */
export const PRIVATE_DIRECTORY = 0o700;

let filesWritten = 0;

/**
 * Replaces or makes `path` as a whole: after a crash there is the old content or the new one.
 *
 * @throws {OmertaError} `disk-full`.
 */
export function writeFileAtomic(path: string, content: Uint8Array, mode = PRIVATE_FILE): void {
  placeFile(path, content, mode, (fresh) => Deno.renameSync(fresh, path));
}

/**
 * Makes `path` as a whole, only where nothing of that name exists.
 *
 * @returns whether it was made; false: there was one already, which was left as it was.
 * @throws {OmertaError} `disk-full`.
 */
export function createFileAtomic(path: string, content: Uint8Array, mode = PRIVATE_FILE): boolean {
  try {
    placeFile(path, content, mode, (fresh) => {
      Deno.linkSync(fresh, path);
      Deno.removeSync(fresh);
    });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

function placeFile(
  path: string,
  content: Uint8Array,
  mode: number,
  place: (fresh: string) => void,
): void {
  const fresh = `${path}.${Deno.pid}.${filesWritten++}.new`;
  try {
    writeSynced(fresh, content, mode);
    place(fresh);
    syncDirectory(path.slice(0, path.lastIndexOf("/")) || "/");
  } catch (error) {
    removeIfThere(fresh);
    throw diskError(error, path);
  }
}

function writeSynced(path: string, content: Uint8Array, mode: number): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode });
  let offset = 0;
  while (offset < content.length) offset += file.writeSync(content.subarray(offset));
  file.syncSync();
}

/** Makes names that were just made or changed in `directory` survive a crash. */
export function syncDirectory(directory: string): void {
  using handle = Deno.openSync(directory, { read: true });
  handle.syncSync();
}

/** Removes a file; that there is none is what was wanted. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The error itself, or `disk-full` where it says that no space is left for `path`. */
export function diskError(error: unknown, path: string): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ENOSPC" || code === "EDQUOT" ? diskFull(path, error) : error;
}

/** The error that no space is left for `path`. */
export function diskFull(path: string, cause: unknown): OmertaError {
  return new OmertaError("disk-full", `No space is left to write ${path}`, {
    cause,
    hint: "Free some space there, or choose another state directory with --state.",
  });
}

/** What is read of a file at once, in bytes. */
const PIECE_BYTES = 2 ** 20;

/** SHA-256 of a file's content in hex, read in pieces. */
export async function hashFile(path: string): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const piece = new Uint8Array(PIECE_BYTES);
  for (let count = await file.read(piece); count !== null; count = await file.read(piece)) {
    hash.update(piece.subarray(0, count));
  }
  return hash.digest("hex");
}

/** The space of a file system. */
export interface DiskSpace {
  /** Bytes that this user may still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What tells, at every call, the space of the file system of `path`. */
export async function openDiskGauge(path: string): Promise<() => DiskSpace> {
  const { statfsSync } = await import("node:fs");
  return () => {
    const { bavail, blocks, bsize } = statfsSync(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  };
}

/** What lies at a path, links not followed; `undefined` where nothing does. */
export function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
