/**
 * A node for a command that needs one: the one that runs, or a new one in the background.
 *
 *     ask node.info ──answered, same build or foreground──▶ use it
 *        │ └─background node of another build──node.yield──┐
 *        └─nobody──▶ spawn `mesh run --background` ◀───────┘
 *                       │ the API answers ─▶ use it (whoever's child it is)
 *                       │ child ended, status 0: another one won the lock ─▶ ask, spawn again
 *                       └ child ended otherwise ─▶ its error is the command's error
 *
 * The command never takes the lock, so two commands at once make one node. The child is detached
 * with its output in `node.log`: else Deno kills it at the command's end, and `x=$(omerta …)` waits
 * for it. It runs in the state directory, for a broken `package.json` above the working directory
 * would end it before `main`.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";
import { delay } from "./delay.ts";
import { PRIVATE_FILE, removeIfThere, writeFileAtomic } from "./files.ts";
import { callMethod, type CallOptions, errorOf } from "./node_client.ts";
import { openState, type StatePaths } from "./state.ts";
import type { NodeMode } from "./state_lock.ts";

/** How long a command waits for its node. Source: the design §2. */
const START_TIMEOUT_MS = 10_000;

/** How long one question to a node may take. Guess: a busy machine answers in some 10 ms. */
const ANSWER_TIMEOUT_MS = 3_000;

/** Pauses between questions while a child starts: short at first, for it takes some 100 ms. */
const RETRY_MS = 20;

/** What a background node may see of its parent's environment: no secrets, no invite. */
const ENVIRONMENT =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_[A-Z]+|TZ|TMPDIR|XDG_[A-Z_]+|DENO_DIR|DENORT_[A-Z_]+|NO_COLOR|OMERTA_LINGER|OMERTA_LOG|OMERTA_QEMU)$/;

/** How much of a dead child's log is searched for its last words. */
const LOG_TAIL_BYTES = 4096;

/** An error file that nobody took is swept after so long. Guess: its parent reads it at once. */
const ERROR_FILE_AGE_MAX_MS = 60_000;

/** How to start a background node. */
export interface EnsureNodeOptions {
  /** Identifies the code that runs. */
  readonly build: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The program, when running from source; default: the main module of this process. */
  readonly main?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Makes sure that a node serves `dir` and returns the path of its socket.
 *
 * @throws {OmertaError} what kept the node from starting; `node-busy` where a background node of
 * another build has open streams; `timeout`; what `openState` throws.
 */
export async function ensureNode(dir: string, options: EnsureNodeOptions): Promise<string> {
  const paths = openState(dir);
  const deadline = performance.now() + (options.timeoutMs ?? START_TIMEOUT_MS);
  if (await usableNode(paths, options)) return paths.socket;
  while (performance.now() < deadline) {
    const child = await spawnNode(paths, options);
    if (await becomesUsable(paths, child, { deadline, ...options })) return paths.socket;
    // It left to another node, which may itself have ended since: begin again.
    await delay(RETRY_MS, options.signal);
  }
  throw startTimeout(paths);
}

/**
 * Calls a method of the state's node, starting one where none runs. A node that ended between the
 * two, before the call began, is replaced once.
 *
 * @throws {OmertaError} as `ensureNode` and the call do.
 */
export async function callEnsured(
  dir: string,
  method: string,
  input: unknown,
  options: EnsureNodeOptions & CallOptions,
): Promise<unknown> {
  const { timeoutMs: _, ...ensure } = options;
  const socket = await ensureNode(dir, ensure);
  try {
    return await callMethod(socket, method, input, options);
  } catch (error) {
    if (!(error instanceof OmertaError) || error.fields.began !== false) throw error;
    return await callMethod(await ensureNode(dir, ensure), method, input, options);
  }
}

/** Whether a node serves that this build may use; one of another build is asked to give way. */
async function usableNode(paths: StatePaths, options: EnsureNodeOptions): Promise<boolean> {
  const info = await nodeInfo(paths, options);
  if (info === undefined) return false;
  if (info.mode === "foreground" || info.build === options.build) return true;
  await ask(paths, options, "node.yield", { by: "build", build: options.build });
  return false;
}

async function nodeInfo(
  paths: StatePaths,
  options: EnsureNodeOptions,
): Promise<{ mode: NodeMode; build: string } | undefined> {
  const info = await ask(paths, options, "node.info", {});
  return info as { mode: NodeMode; build: string } | undefined;
}

/** The answer of the node, or `undefined` where none answers. */
async function ask(
  paths: StatePaths,
  { signal }: EnsureNodeOptions,
  method: string,
  input: unknown,
): Promise<unknown> {
  try {
    const options = { timeoutMs: ANSWER_TIMEOUT_MS, ...(signal && { signal }) };
    return await callMethod(paths.socket, method, input, options);
  } catch (error) {
    const code = error instanceof OmertaError ? error.code : undefined;
    if (code === "no-node" || code === "timeout") return undefined;
    throw error;
  }
}

interface Child {
  readonly pid: number;
  /** Where its own words begin in the log. */
  readonly logOffset: number;
  /** Set when it has ended, or could not be started: how. */
  ended: { readonly status: number | null; readonly why: string } | undefined;
}

async function becomesUsable(
  paths: StatePaths,
  child: Child,
  options: EnsureNodeOptions & { deadline: number },
): Promise<boolean> {
  while (performance.now() < options.deadline) {
    const ended = child.ended; // before the question: who ended after it may have served
    if (await nodeInfo(paths, options) !== undefined) return true;
    if (ended?.status === 0) return false;
    if (ended !== undefined) throw earlyEnd(paths, child);
    await delay(RETRY_MS, options.signal);
  }
  throw startTimeout(paths);
}

async function spawnNode(paths: StatePaths, options: EnsureNodeOptions): Promise<Child> {
  const [{ spawn }, fs] = await Promise.all([import("node:child_process"), import("node:fs")]);
  const log = fs.openSync(paths.log, "a", PRIVATE_FILE);
  try {
    const child: Child = { pid: 0, logOffset: fs.fstatSync(log).size, ended: undefined };
    const started = spawn(Deno.execPath(), nodeArguments(paths, options.main), {
      detached: true,
      cwd: paths.dir,
      env: childEnvironment(options.env),
      stdio: ["ignore", log, log],
    });
    started.once("error", (error) => child.ended = { status: null, why: error.message });
    started.once("exit", (status, signal) => child.ended = { status, why: `${signal ?? status}` });
    started.unref();
    return Object.assign(child, { pid: started.pid ?? 0 });
  } finally {
    fs.closeSync(log);
  }
}

function nodeArguments(paths: StatePaths, main = Deno.mainModule): string[] {
  const own = ["mesh", "run", "--background", "--state", paths.dir];
  return Deno.build.standalone ? own : ["run", "-A", main, ...own];
}

/** The part of an environment that a background node inherits. */
export function childEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const kept = Object.entries(env).filter(([name, value]) => value && ENVIRONMENT.test(name));
  return Object.fromEntries(kept) as Record<string, string>;
}

function startTimeout(paths: StatePaths): OmertaError {
  return new OmertaError("timeout", `The background node of ${paths.dir} did not answer in time`, {
    hint: `See ${paths.log}.`,
  });
}

/** Leaves the error that ends this background node for the command that started it. */
export function reportEarlyEnd(paths: StatePaths, error: OmertaError): void {
  const { code, message, hint, exit, fields } = error;
  const document = { ...fields, code, message, hint: hint ?? null, exit };
  writeFileAtomic(errorFile(paths, Deno.pid), new TextEncoder().encode(JSON.stringify(document)));
}

function errorFile(paths: StatePaths, pid: number): string {
  return `${paths.dir}/node.failed.${pid}`;
}

/** Removes error files that no command took. */
export function sweepErrorFiles(paths: StatePaths, nowMs: number): void {
  for (const { name } of Deno.readDirSync(paths.dir)) {
    if (!name.startsWith("node.failed.")) continue;
    const path = `${paths.dir}/${name}`;
    const age = nowMs - (Deno.lstatSync(path).mtime?.getTime() ?? 0);
    if (age > ERROR_FILE_AGE_MAX_MS) removeIfThere(path);
  }
}

/** The error by which a child ended: its own words, else the last line that it wrote. */
function earlyEnd(paths: StatePaths, child: Child): OmertaError {
  const told = takeErrorFile(errorFile(paths, child.pid));
  if (told !== undefined) return told;
  const words = lastLine(paths.log, child.logOffset) ?? "it wrote nothing";
  return new OmertaError(
    "internal",
    `The background node ended at once (${child.ended?.why}): ${words}`,
    { hint: `See ${paths.log}.` },
  );
}

function takeErrorFile(path: string): OmertaError | undefined {
  try {
    const document = JSON.parse(Deno.readTextFileSync(path));
    Deno.removeSync(path);
    return errorOf(document);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function lastLine(path: string, offset: number): string | undefined {
  using file = Deno.openSync(path, { read: true });
  const start = Math.max(offset, file.statSync().size - LOG_TAIL_BYTES);
  file.seekSync(start, Deno.SeekMode.Start);
  const buffer = new Uint8Array(LOG_TAIL_BYTES);
  const text = new TextDecoder().decode(buffer.subarray(0, file.readSync(buffer) ?? 0));
  return text.split("\n").map((line) => line.trim()).findLast((line) => line !== "");
}
