/**
 * The state directory of a node: where it is, what lies in it, and that it is ours alone.
 *
 *     STATE/ 0700   identity.key 0600   node.lock   node.sock   stream.sock
 *                   omerta.db   node.log   ssh/   vms/ID/   images/   bin/
 *
 * A directory that others can enter, or that belongs to somebody else, is refused, not repaired:
 * what they may have read or put there cannot be undone. An empty one of ours is made private.
 * A link to a state directory is followed once, here, so that one directory has one lock.
 *
 * @module
 */
import { OmertaError } from "../../base/errors.ts";
import { diskError, PRIVATE_DIRECTORY } from "../files.ts";

/** Longest path of a unix socket in bytes. Source: unix(7), `sun_path` of 108 with its NUL. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** The files and directories of a state; all absolute. */
export interface StatePaths {
  readonly dir: string;
  readonly identity: string;
  readonly lock: string;
  /** The local API. */
  readonly socket: string;
  /** Of ffi/net: where streams are spliced. */
  readonly streamSocket: string;
  readonly database: string;
  readonly log: string;
  readonly ssh: string;
  readonly vms: string;
  readonly images: string;
  readonly bin: string;
}

/** From what the place of the state follows. */
export interface StateChoice {
  /** `--state`, or null. */
  readonly flag: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of this process; null where the system has none. */
  readonly uid: number | null;
}

/**
 * The state directory that a command means, absolute: `--state`, `OMERTA_STATE`,
 * `$XDG_STATE_HOME/omerta`, for root `/var/lib/omerta`, else `~/.local/state/omerta`.
 *
 * @throws {OmertaError} `usage` where nothing says where.
 */
export function resolveStateDir({ flag, env, uid }: StateChoice): string {
  const named = flag ?? env.OMERTA_STATE;
  if (named) return absolute(named);
  // A relative $XDG_STATE_HOME is invalid and ignored. Source: XDG Base Directory Specification.
  if (env.XDG_STATE_HOME?.startsWith("/")) return absolute(`${env.XDG_STATE_HOME}/omerta`);
  if (uid === 0) return "/var/lib/omerta";
  if (env.HOME?.startsWith("/")) return absolute(`${env.HOME}/.local/state/omerta`);
  throw new OmertaError("usage", "Where is the state? Neither --state nor $HOME is given", {
    hint: "Name a directory with --state DIR or OMERTA_STATE.",
  });
}

/** Dots and links are resolved when the directory is opened. */
function absolute(path: string): string {
  const whole = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return whole.replace(/(?<=.)\/+$/, "");
}

/** The paths in a state directory, without looking whether it exists. */
export function statePaths(dir: string): StatePaths {
  return {
    dir,
    identity: `${dir}/identity.key`,
    lock: `${dir}/node.lock`,
    socket: `${dir}/node.sock`,
    streamSocket: `${dir}/stream.sock`,
    database: `${dir}/omerta.db`,
    log: `${dir}/node.log`,
    ssh: `${dir}/ssh`,
    vms: `${dir}/vms`,
    images: `${dir}/images`,
    bin: `${dir}/bin`,
  };
}

/**
 * The state directory for a node or a command that may start one: made where it is missing.
 *
 * @throws {OmertaError} `key-mode`, `state-damaged`, `usage`, `disk-full`.
 */
export function openState(dir: string): StatePaths {
  return existingState(dir) ?? newState(dir);
}

/**
 * The state directory for a command that only asks: `undefined` where there is none.
 *
 * @throws {OmertaError} `key-mode`, `state-damaged`, `usage`.
 */
export function existingState(dir: string): StatePaths | undefined {
  const link = lookAt(dir, Deno.lstatSync);
  if (link === undefined) return undefined;
  if (link.isSymlink) checkOwner(dir, link);
  const info = lookAt(dir, Deno.statSync);
  if (info === undefined) throw badPlace(dir, "is a link to nothing");
  if (!info.isDirectory) throw badPlace(dir, "is not a directory");
  const paths = checkedPaths(Deno.realPathSync(dir));
  checkOwner(paths.dir, info);
  checkMode(paths.dir, info);
  return paths;
}

/**
 * Whether a node has been at `dir`: it has the lock, key, database or socket of one. An empty
 * directory, as a service manager makes it, holds nothing yet that could be read.
 *
 * @throws {OmertaError} `key-mode`, `state-damaged`, `usage`.
 */
export function hasState(dir: string): boolean {
  const paths = existingState(dir);
  if (paths === undefined) return false;
  const { lock, identity, database, socket } = paths;
  return [lock, identity, database, socket].some((path) => {
    return lookAt(path, Deno.lstatSync) !== undefined;
  });
}

function newState(dir: string): StatePaths {
  checkedPaths(dir);
  try {
    Deno.mkdirSync(dir, { recursive: true, mode: PRIVATE_DIRECTORY });
  } catch (error) {
    if (diskError(error, dir) !== error) throw diskError(error, dir);
    throw badPlace(dir, "cannot be made", error);
  }
  const paths = existingState(dir);
  if (paths === undefined) throw badPlace(dir, "was removed while it was made");
  return paths;
}

function lookAt(dir: string, stat: (path: string) => Deno.FileInfo): Deno.FileInfo | undefined {
  try {
    return stat(dir);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw badPlace(dir, "cannot be looked at", error);
  }
}

function badPlace(dir: string, what: string, cause?: unknown): OmertaError {
  const reason = cause instanceof Error ? `: ${cause.message}` : "";
  return new OmertaError("usage", `The state directory ${dir} ${what}${reason}`, {
    cause,
    hint: "Name a directory of your own with --state DIR or OMERTA_STATE.",
  });
}

function checkedPaths(dir: string): StatePaths {
  const paths = statePaths(dir);
  checkSocketPath(paths.streamSocket);
  return paths;
}

/**
 * Refuses a path that is too long for a unix socket.
 *
 * @throws {OmertaError} `usage`.
 */
export function checkSocketPath(path: string): void {
  const length = new TextEncoder().encode(path).length;
  if (length <= SOCKET_PATH_BYTES_MAX) return;
  throw new OmertaError(
    "usage",
    `The path ${path} is ${length} bytes long; a unix socket's may have ${SOCKET_PATH_BYTES_MAX}`,
    { hint: "Choose a shorter state directory with --state DIR or OMERTA_STATE." },
  );
}

function checkOwner(path: string, info: Deno.FileInfo): void {
  const uid = Deno.uid();
  const isOurs = info.uid === uid || (info.isSymlink && info.uid === 0);
  if (isOurs) return;
  throw new OmertaError("state-damaged", `${path} belongs to user ${info.uid}, not to ${uid}`, {
    hint: "Run omerta as that user, or name a directory of your own with --state DIR.",
  });
}

function checkMode(dir: string, info: Deno.FileInfo): void {
  const mode = (info.mode ?? 0) & 0o777;
  if ((mode & 0o077) === 0) return;
  if (isEmpty(dir)) return Deno.chmodSync(dir, PRIVATE_DIRECTORY);
  throw new OmertaError(
    "key-mode",
    `Others may enter the state directory ${dir} (mode ${octal(mode)})`,
    {
      hint: `If nobody else used it, make it private: chmod 700 ${dir}`,
    },
  );
}

function isEmpty(dir: string): boolean {
  return Deno.readDirSync(dir)[Symbol.iterator]().next().done === true;
}

/** A file mode as `chmod` takes it. */
export function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}
