/**
 * The lock of a state directory: one node at a time holds `node.lock`, and with it database, key,
 * sockets and UDP port.
 *
 *     free ──▶ held
 *     held by another, which answers:
 *         we are a background node   ──▶ leave quietly (`undefined`)
 *         we are a foreground node   ──node.yield──▶ it gives way: wait for the lock
 *                                                 └▶ it does not: node-running, node-busy
 *     held by another, which does not answer (begins or ends): wait for the lock
 *
 * The kernel drops the lock of a process that dies (flock, tried with SIGKILL), so that no stale
 * one exists; what the dead holder left are socket files, which only the next holder removes. The
 * lock's file tells who holds it, for messages alone.
 *
 * @module
 */
import { OmertaError } from "../../base/errors.ts";
import { delay } from "../delay.ts";
import { sweepEarlyEnds } from "../process/early_end.ts";
import { diskError, PRIVATE_FILE, removeIfThere } from "../files.ts";
import { callMethod, type CallOptions } from "../process/node_client.ts";
import type { StatePaths } from "./state.ts";
import type { NodeMode } from "../../node/mod.ts";

/** How long a node waits for another to begin or to end. Source: the design §2. */
const TAKEOVER_TIMEOUT_MS = 10_000;

/** Pause between two tries. Guess: small beside the start of a process. */
const RETRY_MS = 25;

/** How long the holder may take to say who it is, or whether it yields. Guess. */
const ANSWER_TIMEOUT_MS = 3_000;

/** Who holds a lock. */
export interface LockHolder {
  readonly pid: number;
  readonly mode: NodeMode;
  readonly build: string;
}

/** The lock of a state, held by this process until it is released or dies. */
export interface StateLock {
  readonly paths: StatePaths;
  /** Lets another node begin. The sockets must be closed by then. */
  release(): void;
}

/** How to acquire a state. */
export interface AcquireOptions {
  readonly mode: NodeMode;
  /** Identifies the code that runs. */
  readonly build: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Takes the lock, if need be from a background node that gives way. A background node gets
 * `undefined` where another one serves: it has nothing to do.
 *
 * @throws {OmertaError} `node-running`, naming process and state; `node-busy`, naming the streams
 * that hold the other node.
 */
export async function acquireState(
  paths: StatePaths,
  { mode, build, timeoutMs = TAKEOVER_TIMEOUT_MS, signal }: AcquireOptions,
): Promise<StateLock | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const lock = tryLock(paths, { pid: Deno.pid, mode, build });
    if (lock !== undefined) return lock;
    const answers = mode === "foreground"
      ? await asksToYield(paths, build, signal)
      : await serves(paths, signal);
    if (answers && mode === "background") return undefined;
    if (performance.now() >= deadline) throw nodeRunning(paths, "it does not answer");
    await delay(RETRY_MS, signal);
  }
}

/** Takes the lock if nobody holds it, and clears away what a dead holder left. */
export function tryLock(paths: StatePaths, holder: LockHolder): StateLock | undefined {
  const file = openLock(paths.lock);
  if (!file.tryLockSync(true)) {
    file.close();
    return undefined;
  }
  writeHolder(file, holder);
  removeIfThere(paths.socket);
  removeIfThere(paths.streamSocket);
  sweepEarlyEnds(paths, Date.now());
  return { paths, release: () => file.close() };
}

function openLock(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write: true, create: true, mode: PRIVATE_FILE });
  } catch (error) {
    throw diskError(error, path);
  }
}

function writeHolder(file: Deno.FsFile, holder: LockHolder): void {
  file.truncateSync();
  try {
    file.writeSync(new TextEncoder().encode(`${JSON.stringify(holder)}\n`));
  } catch {
    // A full disk: only a message lacks it, and a node may run that writes nothing.
  }
}

/** Who wrote itself into the lock's file last; `undefined` where that cannot be read. */
export function readHolder(paths: StatePaths): LockHolder | undefined {
  try {
    const holder = JSON.parse(Deno.readTextFileSync(paths.lock));
    return Number.isInteger(holder.pid) ? holder : undefined;
  } catch {
    return undefined; // only a message lacks it
  }
}

/** Whether a node answers on the state's socket. */
async function serves(paths: StatePaths, signal?: AbortSignal): Promise<boolean> {
  return await answered(callMethod(paths.socket, "node.info", {}, answerOptions(signal)));
}

/** Whether the node was reached and gives way; one that refuses is the error that it answers. */
async function asksToYield(
  paths: StatePaths,
  build: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const input = { by: "foreground", build };
  return await answered(callMethod(paths.socket, "node.yield", input, answerOptions(signal)));
}

function answerOptions(signal?: AbortSignal): CallOptions {
  return { timeoutMs: ANSWER_TIMEOUT_MS, ...(signal && { signal }) };
}

/** Whether a call was answered; a node that begins, ends or hangs does not answer. */
async function answered(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    const code = error instanceof OmertaError ? error.code : undefined;
    if (code === "no-node" || code === "timeout") return false;
    throw error;
  }
}

/** The error that another node has this state, with what is known of it. */
function nodeRunning(paths: StatePaths, why: string): OmertaError {
  const holder = readHolder(paths);
  const who = holder === undefined ? "A node" : `The ${holder.mode} node ${holder.pid}`;
  return new OmertaError("node-running", `${who} has the state ${paths.dir}: ${why}`, {
    hint: `End it with 'omerta mesh stop --state ${paths.dir}', or use another --state.`,
    fields: { pid: holder?.pid ?? null, state: paths.dir },
  });
}
