/**
 * A node that does nothing but be one: it takes the lock, answers `node.*`, and ends as it is told.
 * Started as a program by the tests of the lock and of background nodes:
 *
 *     fake_node.ts mesh run [--background] --state DIR, and a behaviour from DIR/behaviour.json
 *
 * Each one that serves appends a line to DIR/served.
 *
 * @module
 */
import * as v from "valibot";
import { createApi } from "../../../src/api/server.ts";
import { OmertaError } from "../../../src/base/mod.ts";
import { yieldRefusal } from "../../../src/node/linger.ts";
import { errorDoc } from "../../../src/api/error_doc.ts";
import { reportEarlyEnd } from "../../../src/host/process/early_end.ts";
import { openState, type StatePaths } from "../../../src/host/state/state.ts";
import { say } from "../scratch.ts";
import type { NodeMode } from "../../../src/node/mod.ts";
import { acquireState } from "../../../src/host/state/state_lock.ts";
import { serveUnix } from "../../../src/host/process/unix_server.ts";

/** How a fake node differs from a good one. */
export interface Behaviour {
  readonly build?: string;
  /** Names of open streams. */
  readonly busy?: readonly string[];
  /** Ends at once with this error, before it takes the lock. */
  readonly failure?: string;
  /** Throws at once, as a defect would. */
  readonly defect?: string;
  /** Holds the lock without ever serving. */
  readonly hangs?: boolean;
  /** Ends by itself when its standard input ends: for tests that hold it. */
  readonly untilStdinEnds?: boolean;
}

/** A background one ends after so long, whatever became of its test. */
const LIFE_MS = 20_000;

if (import.meta.main) await main();

async function main(): Promise<void> {
  const dir = Deno.args[Deno.args.indexOf("--state") + 1] ?? "";
  const mode = Deno.args.includes("--background") ? "background" : "foreground";
  if (mode === "background") Deno.unrefTimer(setTimeout(() => Deno.exit(0), LIFE_MS));
  const paths = openState(dir);
  try {
    await runFakeNode(paths, mode, readBehaviour(dir));
  } catch (error) {
    if (!(error instanceof OmertaError)) throw error;
    if (mode === "background") reportEarlyEnd(paths, errorDoc(error));
    say(`error ${error.code} ${error.message}`);
    Deno.exit(error.exit);
  }
}

function readBehaviour(dir: string): Behaviour {
  try {
    return JSON.parse(Deno.readTextFileSync(`${dir}/behaviour.json`));
  } catch {
    return {}; // a good node
  }
}

async function runFakeNode(paths: StatePaths, mode: NodeMode, how: Behaviour): Promise<void> {
  const { build = "one", failure, defect } = how;
  if (defect !== undefined) throw new Error(defect);
  if (failure !== undefined) throw new OmertaError("port-taken", failure, { hint: "Wait." });
  const lock = await acquireState(paths, { mode, build, timeoutMs: 5_000 });
  if (lock === undefined) return say("lost");
  if (how.hangs) say("holds");
  else await serve(paths, mode, how);
  if (how.hangs || how.untilStdinEnds) { for await (const _ of Deno.stdin.readable); }
  lock.release();
}

async function serve(paths: StatePaths, mode: NodeMode, how: Behaviour): Promise<void> {
  const { build = "one", busy = [] } = how;
  const end = Promise.withResolvers<void>();
  const pid = Deno.pid;
  const api = createApi({
    "node.info": {
      input: v.strictObject({}),
      run: () => Promise.resolve({ pid, build, mode, roles: [] }),
    },
    "node.yield": {
      input: v.strictObject({ by: v.picklist(["foreground", "build"]), build: v.string() }),
      run: (input) => {
        const refusal = yieldRefusal({ mode, pid, state: paths.dir, busy }, input);
        if (refusal !== undefined) throw refusal;
        end.resolve();
        return Promise.resolve({ yielding: true as const });
      },
    },
    // Takes until the node is asked to end.
    "mesh.peers": {
      input: v.strictObject({ network: v.null() }),
      run: (_, { progress }) => {
        progress("begun");
        return end.promise.then(() => ({ peers: [] }));
      },
    },
    "node.stop": {
      input: v.strictObject({}),
      run: () => {
        end.resolve();
        return Promise.resolve({ pid, vms: [] });
      },
    },
  });
  const server = serveUnix(paths.socket, api.fetch);
  Deno.writeTextFileSync(`${paths.dir}/served`, `${pid}\n`, { append: true });
  say(`serves ${pid}`);
  await end.promise;
  await server.close();
}
