/**
 * The process of a background node: detached from the command that starts it, with its output in
 * `node.log`.
 *
 * Not detached, Deno kills it at the command's end; with inherited output, `x=$(omerta …)` waits for
 * it. It runs in the state directory, for a broken `package.json` above the working directory would
 * end it before `main`.
 *
 * @module
 */
import { OmertaError } from "../../base/errors.ts";
import { takeEarlyEnd } from "./early_end.ts";
import { diskError, diskFull, PRIVATE_FILE, writeFileAtomic } from "../files.ts";
import { rotateLog } from "../log.ts";
import type { StatePaths } from "../state/state.ts";

/** What a background node may see of its parent's environment: no secrets, no invite. */
const ENVIRONMENT = new RegExp(
  "^(PATH|HOME|USER|LOGNAME|LANG|LC_[A-Z]+|TZ|TMPDIR|XDG_[A-Z_]+|NO_COLOR|" +
    "DENO_DIR|DENORT_[A-Z_]+|OMERTA_DIRECT|OMERTA_LINGER|OMERTA_LOG|OMERTA_QEMU)$",
);

/** Where less than this is free, a full disk is why a node ended: its first database takes more. */
const ROOM_BYTES = 65_536;

/** How much of a dead process's log is searched for its last words. */
const LOG_TAIL_BYTES = 4096;

/** What to start. */
export interface NodeProgram {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The program, when running from source; default: the main module of this process. */
  readonly main?: string;
}

/** A process that was started and may have ended. */
export interface NodeProcess {
  readonly pid: number;
  /** Where its own words begin in the log. */
  readonly logOffset: number;
  /** Set when it has ended, or could not be started: how. */
  readonly ended: { readonly status: number | null; readonly why: string } | undefined;
  /** Asks it to end; it is not needed. */
  dismiss(): void;
}

/**
 * Starts a background node on a state.
 *
 * @throws {OmertaError} `disk-full`; `state-damaged` where its log cannot be written.
 */
export async function startNode(paths: StatePaths, program: NodeProgram): Promise<NodeProcess> {
  const [{ spawn }, fs] = await Promise.all([import("node:child_process"), import("node:fs")]);
  rotateLog(paths.log);
  const log = openLog(paths, fs);
  try {
    const logOffset = fs.fstatSync(log).size;
    const child = spawn(Deno.execPath(), nodeArguments(paths, program.main), {
      detached: true,
      cwd: paths.dir,
      env: { ...childEnvironment(program.env), NO_COLOR: "1" }, // its streams are a file
      stdio: ["ignore", log, log],
    });
    let ended: NodeProcess["ended"];
    child.once("error", (error) => ended = { status: null, why: error.message });
    child.once("exit", (status, signal) => ended = { status, why: `${signal ?? status}` });
    child.unref();
    return {
      pid: child.pid ?? 0,
      logOffset,
      get ended() {
        return ended;
      },
      dismiss: () => void child.kill("SIGTERM"),
    };
  } finally {
    fs.closeSync(log);
  }
}

function openLog({ log }: StatePaths, fs: typeof import("node:fs")): number {
  try {
    return fs.openSync(log, "a", PRIVATE_FILE);
  } catch (cause) {
    const error = diskError(cause, log);
    if (error !== cause) throw error;
    throw new OmertaError("state-damaged", `The log ${log} cannot be written`, {
      cause,
      hint: "Move away what lies there; a node makes a new log.",
    });
  }
}

function nodeArguments(paths: StatePaths, main = Deno.mainModule): string[] {
  const own = ["mesh", "run", "--background", "--state", paths.dir];
  return Deno.build.standalone ? own : ["run", "-q", "-A", "--no-prompt", main, ...own];
}

/** The part of an environment that a background node inherits. */
export function childEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const kept = Object.entries(env).filter(([name, value]) => value && ENVIRONMENT.test(name));
  return Object.fromEntries(kept) as Record<string, string>;
}

/**
 * The error by which a process ended early: its own words, else `disk-full` where it had no room for
 * any, else the last line that it wrote.
 */
export function earlyEnd(paths: StatePaths, process: NodeProcess): OmertaError {
  const told = takeEarlyEnd(paths, process.pid);
  const known = told ?? fullDisk(paths);
  if (known !== undefined) return known;
  const words = lastLine(paths.log, process.logOffset) ?? "it wrote nothing";
  return new OmertaError(
    "internal",
    `The background node ended at once (${process.ended?.why}): ${words}`,
    { hint: `See ${paths.log}.` },
  );
}

/** The error that the state's disk is full, where it is. */
function fullDisk({ dir }: StatePaths): OmertaError | undefined {
  const probe = `${dir}/node.room.${Deno.pid}`;
  try {
    writeFileAtomic(probe, new Uint8Array(ROOM_BYTES));
    Deno.removeSync(probe);
    return undefined;
  } catch (error) {
    // Of other errors the log knows more.
    return error instanceof OmertaError ? diskFull(dir, error.cause) : undefined;
  }
}

/** The last line from `offset` on that is no part of a stack trace. */
function lastLine(path: string, offset: number): string | undefined {
  using file = Deno.openSync(path, { read: true });
  const { size } = file.statSync();
  const begin = offset <= size ? offset : 0; // it was rotated since
  const start = Math.max(begin, size - LOG_TAIL_BYTES);
  file.seekSync(start, Deno.SeekMode.Start);
  const buffer = new Uint8Array(LOG_TAIL_BYTES);
  const text = new TextDecoder().decode(buffer.subarray(0, file.readSync(buffer) ?? 0));
  return text.split("\n").findLast((line) => /^\S/.test(line));
}
