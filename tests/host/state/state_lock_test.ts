/** One node per state directory, with real processes. */
import assert from "node:assert/strict";
import { callMethod } from "../../../src/host/process/node_client.ts";
import { openState, type StatePaths } from "../../../src/host/state/state.ts";
import { acquireState, readHolder, tryLock } from "../../../src/host/state/state_lock.ts";
import type { Behaviour } from "../process/fake_node.ts";
import { inDirectory, Program } from "../scratch.ts";

const FAKE_NODE = new URL("../process/fake_node.ts", import.meta.url).pathname;

function start(paths: StatePaths, mode: "foreground" | "background", how: Behaviour): Program {
  Deno.writeTextFileSync(`${paths.dir}/behaviour.json`, JSON.stringify(how));
  const args = ["mesh", "run", "--state", paths.dir];
  return new Program(FAKE_NODE, ...args, ...mode === "background" ? ["--background"] : []);
}

Deno.test(
  "tryLock() gives the state to one holder, and to the next one after it",
  inDirectory((dir) => {
    const paths = openState(dir);
    const holder = { pid: Deno.pid, mode: "foreground", build: "one" } as const;
    const lock = tryLock(paths, holder);
    assert.deepEqual(readHolder(paths), holder);
    assert.equal(tryLock(paths, holder), undefined);
    lock?.release();
    const again = tryLock(paths, { ...holder, pid: 7 });
    assert.equal(readHolder(paths)?.pid, 7);
    again?.release();
  }),
);

Deno.test(
  "a foreground node is refused while another one runs, with its process and state",
  inDirectory(async (dir) => {
    const paths = openState(dir);
    const other = start(paths, "foreground", {});
    assert.match(await other.line() ?? "", /serves/);
    await assert.rejects(acquireState(paths, { mode: "foreground", build: "one" }), {
      code: "node-running",
      message: new RegExp(`${other.process.pid}.*${dir}`),
    });
    await callMethod(paths.socket, "node.stop", {});
    assert.equal(await other.end(), 0);
  }),
);

Deno.test(
  "a background node leaves quietly where another one serves",
  inDirectory(async (dir) => {
    const paths = openState(dir);
    const other = start(paths, "foreground", {});
    assert.match(await other.line() ?? "", /serves/);
    assert.equal(await acquireState(paths, { mode: "background", build: "one" }), undefined);
    const second = start(paths, "background", {});
    assert.equal(await second.line(), "lost");
    assert.equal(await second.end(), 0);
    await callMethod(paths.socket, "node.stop", {});
    await other.end();
  }),
);

Deno.test(
  "a lingering node gives way to a foreground one",
  inDirectory(async (dir) => {
    const paths = openState(dir);
    const lingering = start(paths, "background", {});
    assert.match(await lingering.line() ?? "", /serves/);
    const lock = await acquireState(paths, { mode: "foreground", build: "one" });
    assert.equal(readHolder(paths)?.pid, Deno.pid);
    assert.equal(await lingering.end(), 0);
    lock?.release();
  }),
);

Deno.test(
  "a lingering node with open streams does not give way, and they are named",
  inDirectory(async (dir) => {
    const paths = openState(dir);
    const lingering = start(paths, "background", { busy: ["VM abcd"] });
    assert.match(await lingering.line() ?? "", /serves/);
    await assert.rejects(acquireState(paths, { mode: "foreground", build: "one" }), {
      code: "node-busy",
      message: /VM abcd/,
    });
    await callMethod(paths.socket, "node.stop", {});
    await lingering.end();
  }),
);

Deno.test(
  "the lock of a killed node is free at once, and its sockets are cleared away",
  inDirectory(async (dir) => {
    const paths = openState(dir);
    const other = start(paths, "foreground", {});
    assert.match(await other.line() ?? "", /serves/);
    await other.kill();
    assert.ok(Deno.lstatSync(paths.socket).isSocket);
    Deno.writeTextFileSync(paths.streamSocket, "");
    const lock = await acquireState(paths, { mode: "foreground", build: "one" });
    assert.throws(() => Deno.lstatSync(paths.socket), Deno.errors.NotFound);
    assert.throws(() => Deno.lstatSync(paths.streamSocket), Deno.errors.NotFound);
    lock?.release();
  }),
);

Deno.test(
  "a holder that never serves is waited for, then named",
  inDirectory(async (dir) => {
    const paths = openState(dir);
    const other = start(paths, "foreground", { hangs: true });
    assert.equal(await other.line(), "holds");
    for (const mode of ["foreground", "background"] as const) {
      await assert.rejects(acquireState(paths, { mode, build: "one", timeoutMs: 100 }), {
        code: "node-running",
        message: new RegExp(`${other.process.pid}.*does not answer`),
      });
    }
    const waiting = acquireState(paths, { mode: "background", build: "one" });
    await other.kill();
    const lock = await waiting;
    assert.equal(readHolder(paths)?.mode, "background");
    lock?.release();
  }),
);

Deno.test(
  "waiting for the lock can be ended",
  inDirectory(async (dir) => {
    const paths = openState(dir);
    const lock = tryLock(paths, { pid: Deno.pid, mode: "foreground", build: "one" });
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(acquireState(paths, { mode: "foreground", build: "one", signal }), {
      message: "enough",
    });
    lock?.release();
  }),
);
