/**
 * A writer of `newc` cpio archives, the form in which Linux takes an initramfs.
 *
 * ```
 *  110 bytes, ASCII   "070701" + 13 numbers of 8 hex digits: ino mode uid gid nlink mtime filesize
 *                     devmajor devminor rdevmajor rdevminor namesize check
 *  name NUL, zeros to a multiple of 4; data, zeros to a multiple of 4; … ; the entry "TRAILER!!!"
 * ```
 *
 * An archive put before a compressed initramfs must not be compressed itself, and must end on a
 * multiple of 4. Everything belongs to root and has time 0, so that the same files give the same
 * bytes. No links, no devices.
 *
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 *
 * @module
 */
import { concatBytes } from "../base/mod.ts";

/** A file for an archive. */
export interface SeedFile {
  /** Where it goes, without a leading slash: `omerta/env`. Its folders are made, mode 0700. */
  readonly path: string;
  /** Permission bits, 0 to 0o777. */
  readonly mode: number;
  readonly bytes: Uint8Array;
}

/** Largest archive that is written: a seed is a few KiB; this is a guess with room to spare. */
export const SEED_BYTES_MAX = 256 * 1024;

/** Size of a record of the archive as a whole; GNU cpio reads no other. */
const BLOCK_BYTES = 512;
const DIRECTORY = 0o040700;
const REGULAR = 0o100000;

/**
 * An uncompressed `newc` archive of `files`, in the order given, a multiple of 512 bytes long.
 * Throws `RangeError` for a path that leaves the root or repeats, a wrong mode, or too many bytes.
 */
export function buildSeed(files: readonly SeedFile[]): Uint8Array {
  const made = new Set<string>(); // files, and folders with a slash at their end
  const parts: Uint8Array[] = [];
  for (const file of files) {
    checkFile(file, made);
    for (const folder of foldersOf(file.path)) {
      if (made.has(`${folder}/`)) continue;
      made.add(`${folder}/`);
      parts.push(entry(made.size, folder, DIRECTORY, new Uint8Array()));
    }
    made.add(file.path);
    parts.push(entry(made.size, file.path, REGULAR | file.mode, file.bytes));
  }
  parts.push(entry(0, "TRAILER!!!", 0, new Uint8Array()));
  const archive = padTo(concatBytes(...parts), BLOCK_BYTES);
  if (archive.length > SEED_BYTES_MAX) {
    throw new RangeError(`Cannot build seed: ${archive.length} bytes, limit is ${SEED_BYTES_MAX}`);
  }
  return archive;
}

function checkFile(file: SeedFile, made: ReadonlySet<string>): void {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/.test(file.path)) {
    throw new RangeError(`Cannot use path as a seed file: current value is ${file.path}`);
  }
  const isTaken = made.has(file.path) || made.has(`${file.path}/`) ||
    foldersOf(file.path).some((folder) => made.has(folder));
  if (isTaken) throw new RangeError(`Cannot add a seed file twice: ${file.path}`);
  if (!Number.isInteger(file.mode) || file.mode < 0 || file.mode > 0o777) {
    throw new RangeError(`Cannot use mode of ${file.path}: current value is ${file.mode}`);
  }
}

/** `a` and `a/b` for `a/b/c`. */
function foldersOf(path: string): string[] {
  const names = path.split("/").slice(0, -1);
  return names.map((_, i) => names.slice(0, i + 1).join("/"));
}

function entry(inode: number, name: string, mode: number, data: Uint8Array): Uint8Array {
  const nameBytes = new TextEncoder().encode(`${name}\0`);
  const links = mode === DIRECTORY ? 2 : 1;
  const numbers = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, nameBytes.length, 0];
  const header = "070701" + numbers.map((value) => value.toString(16).padStart(8, "0")).join("");
  const head = concatBytes(new TextEncoder().encode(header), nameBytes);
  return concatBytes(padTo(head, 4), padTo(data, 4));
}

function padTo(bytes: Uint8Array, multiple: number): Uint8Array {
  const padded = new Uint8Array(Math.ceil(bytes.length / multiple) * multiple);
  padded.set(bytes);
  return padded;
}
