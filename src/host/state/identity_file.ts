/**
 * The key of this node: `identity.key`, 0600, 64 hex digits of an Ed25519 seed and a line end.
 *
 * It is made once, as a whole, and never replaced: a node that lost its key is another node, so a
 * damaged file is told to the person instead. Only the holder of the state's lock comes here.
 *
 * @module
 */
import { fromHex, OmertaError, type Random, toHex } from "../../base/mod.ts";
import { createFileAtomic, lookAt, PRIVATE_FILE } from "../files.ts";
import { octal, type StatePaths } from "./state.ts";

/** Length of an Ed25519 seed. Source: RFC 8032 §5.1.5. */
const SEED_BYTES = 32;

/** More than a whole file has, so that a longer one is seen to be one. */
const READ_BYTES_MAX = 2 * SEED_BYTES + 2;

/**
 * The 32-byte seed of this node's identity; made from `random` where there is none yet.
 *
 * @throws {OmertaError} `key-mode`, `state-damaged`, `disk-full`.
 */
export function loadIdentitySeed(paths: StatePaths, random: Random): Uint8Array {
  const seed = readSecretSeed(paths.identity);
  if (seed !== undefined) return seed;
  const fresh = random.bytes(SEED_BYTES);
  const content = new TextEncoder().encode(`${toHex(fresh)}\n`);
  if (createFileAtomic(paths.identity, content, PRIVATE_FILE)) return fresh;
  throw damaged(paths.identity, "appeared while it was made");
}

/**
 * The seed in `path`, or `undefined` where nothing has that name.
 *
 * @throws {OmertaError} `key-mode` where others may read it, `state-damaged` where it is no key.
 */
export function readSecretSeed(path: string): Uint8Array | undefined {
  const info = lookAt(path);
  if (info === undefined) return undefined;
  checkKeyFile(path, info);
  const text = readStart(path);
  const seed = /^[0-9a-f]{64}\n?$/.test(text) ? fromHex(text.trim()) : undefined;
  if (seed === undefined) throw damaged(path, "holds no key: 64 hex digits were expected");
  return seed;
}

function checkKeyFile(path: string, info: Deno.FileInfo): void {
  if (!info.isFile) throw damaged(path, "is not a regular file");
  if (info.uid !== Deno.uid()) throw damaged(path, `belongs to user ${info.uid}`);
  const mode = (info.mode ?? 0) & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new OmertaError("key-mode", `The key ${path} may be read by others (mode ${octal(mode)})`, {
    hint: `Unless somebody else read it: chmod 600 ${path}`,
  });
}

function readStart(path: string): string {
  using file = Deno.openSync(path, { read: true });
  const buffer = new Uint8Array(READ_BYTES_MAX);
  return new TextDecoder().decode(buffer.subarray(0, file.readSync(buffer) ?? 0));
}

function damaged(path: string, what: string): OmertaError {
  return new OmertaError("state-damaged", `The key file ${path} ${what}`, {
    hint: "Restore it from a backup. Or move it away, and join the networks anew with fresh " +
      "invites: the node gets a new identity.",
  });
}
