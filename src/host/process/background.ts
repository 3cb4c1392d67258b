/**
 * A node for a command that needs one: the one that runs, or a new one in the background.
 *
 *     ask node.info ──answered, same build or foreground──▶ use it
 *        │ └─background node of another build──node.yield──┐
 *        └─nobody──▶ start `mesh run --background` ◀───────┘
 *                       │ the API answers ─▶ use it (whoever's child it is)
 *                       │ child ended, status 0: another one won the lock ─▶ start another
 *                       └ child ended otherwise ─▶ its error is the command's error
 *
 * The command never takes the lock, so two commands at once make one node.
 *
 * @module
 */
import { OmertaError } from "../../base/errors.ts";
import { delay } from "../delay.ts";
import { callMethod, type CallOptions } from "./node_client.ts";
import { earlyEnd, type NodeProcess, type NodeProgram, startNode } from "./node_process.ts";
import { openState, type StatePaths } from "../state/state.ts";
import type { NodeMode } from "../../node/mod.ts";
import { readHolder } from "../state/state_lock.ts";

/** How long a command waits for its node. Source: the design §2. */
const START_TIMEOUT_MS = 10_000;

/** How long one question to a node may take. Guess: a busy machine answers in some 10 ms. */
const ANSWER_TIMEOUT_MS = 3_000;

/** Pause between two questions while a node starts, which takes some 100 ms. */
const RETRY_MS = 10;

/** How many nodes in a row may end before a call begins. Guess: with any linger time, one does. */
const CALL_TRIES = 5;

/** How to get a node. */
export interface EnsureNodeOptions extends NodeProgram {
  /** Identifies the code that runs. */
  readonly build: string;
  /** How long it may take; 10 s unless given. */
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
  let isServed = await usableNode(paths, options);
  while (!isServed) {
    const child = await startNode(paths, options);
    isServed = await serves(paths, child, { deadline, ...options });
    // If not, the child left to another node, which has itself ended since: begin again.
  }
  return paths.socket;
}

/**
 * Calls a method of the state's node, starting one where none runs. A node that ended between the
 * two, before the call began, is replaced: a few times, for others may use up what we started where
 * nodes end after their last call.
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
  for (let left = CALL_TRIES - 1;; left--) {
    const socket = await ensureNode(dir, ensure);
    try {
      return await callMethod(socket, method, input, options);
    } catch (error) {
      const began = !(error instanceof OmertaError) || error.fields.began !== false;
      if (began || left === 0) throw error;
    }
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

interface NodeInfo {
  readonly pid: number;
  readonly mode: NodeMode;
  readonly build: string;
}

async function nodeInfo(
  paths: StatePaths,
  options: EnsureNodeOptions,
): Promise<NodeInfo | undefined> {
  return await ask(paths, options, "node.info", {}) as NodeInfo | undefined;
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

/** Waits until a node serves, or until the child has left because another one did. */
async function serves(
  paths: StatePaths,
  child: NodeProcess,
  options: EnsureNodeOptions & { readonly deadline: number },
): Promise<boolean> {
  while (performance.now() < options.deadline) {
    const { ended } = child; // before the question: who ended after it may have served
    const info = await nodeInfo(paths, options);
    if (info !== undefined && info.pid !== child.pid) child.dismiss();
    if (info !== undefined) return true;
    if (ended?.status === 0) return false;
    if (ended !== undefined) throw earlyEnd(paths, child);
    await delay(RETRY_MS, options.signal);
  }
  child.dismiss();
  throw startTimeout(paths);
}

function startTimeout(paths: StatePaths): OmertaError {
  const pid = readHolder(paths)?.pid ?? null;
  return new OmertaError("timeout", `No node answered on ${paths.dir} in time`, {
    hint: `See ${paths.log}${pid === null ? "" : `, and what process ${pid} does`}.`,
    fields: { pid, state: paths.dir },
  });
}
