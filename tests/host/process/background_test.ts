/** A node for a command: found, started, replaced; never two. With real processes. */
import assert from "node:assert/strict";
import {
  callEnsured,
  ensureNode,
  type EnsureNodeOptions,
} from "../../../src/host/process/background.ts";
import { childEnvironment } from "../../../src/host/process/node_process.ts";
import { sweepEarlyEnds } from "../../../src/host/process/early_end.ts";
import { LOG_BYTES_MAX } from "../../../src/host/log.ts";
import { callMethod } from "../../../src/host/process/node_client.ts";
import { openState } from "../../../src/host/state/state.ts";
import type { Behaviour } from "./fake_node.ts";
import { inDirectory, mountObstacle, Program, testUnless, withSmallDisk } from "../scratch.ts";

const FAKE_NODE = new URL("fake_node.ts", import.meta.url).pathname;
const FAKE_COMMAND = new URL("fake_command.ts", import.meta.url).pathname;
const OPTIONS: EnsureNodeOptions = { build: "one", env: Deno.env.toObject(), main: FAKE_NODE };

function behave(dir: string, how: Behaviour): void {
  Deno.writeTextFileSync(`${dir}/behaviour.json`, JSON.stringify(how));
}

function served(dir: string): string[] {
  return Deno.readTextFileSync(`${dir}/served`).trim().split("\n");
}

/** Ends the node and waits until its lock is free: until then it may still write. */
async function stop(dir: string): Promise<void> {
  await callMethod(`${dir}/node.sock`, "node.stop", {});
  using lock = await Deno.open(`${dir}/node.lock`, { read: true, write: true });
  await lock.lock(true);
}

/** A test that starts nodes, which outlive the commands that start them: no leak, but the point. */
function processTest(name: string, test: (dir: string) => Promise<void>): void {
  Deno.test({ name, fn: inDirectory(test), sanitizeOps: false, sanitizeResources: false });
}

processTest(
  "ensureNode() starts a node, and finds it the next time",
  async (dir) => {
    const socket = await ensureNode(dir, OPTIONS);
    assert.equal(socket, `${dir}/node.sock`);
    const info = await callMethod(socket, "node.info", {}) as { pid: number; mode: string };
    assert.equal(info.mode, "background");
    assert.equal(await ensureNode(dir, OPTIONS), socket);
    assert.deepEqual(served(dir), [String(info.pid)]);
    assert.match(Deno.readTextFileSync(`${dir}/node.log`), /serves/);
    assert.equal((Deno.statSync(`${dir}/node.log`).mode ?? 0) & 0o777, 0o600);
    await stop(dir);
  },
);

processTest(
  "many commands at once make one node, which outlives them and holds none of their pipes",
  async (dir) => {
    const commands = Array.from({ length: 3 }, () => new Program(FAKE_COMMAND, FAKE_NODE, dir));
    for (const command of commands) {
      assert.equal(await command.line(), `${dir}/node.sock`);
      assert.equal(await command.end(), 0);
    }
    const [pid = "", ...others] = served(dir);
    assert.deepEqual(others, []);
    assert.equal(Deno.readLinkSync(`/proc/${pid}/cwd`), dir);
    await stop(dir);
  },
);

processTest(
  "a lingering node finishes its calls before another build takes over",
  async (dir) => {
    const socket = await ensureNode(dir, OPTIONS);
    const begun = Promise.withResolvers<unknown>();
    const onProgress = begun.resolve;
    const running = callMethod(socket, "mesh.peers", { network: null }, { onProgress });
    await begun.promise;
    behave(dir, { build: "two" });
    await ensureNode(dir, { ...OPTIONS, build: "two" });
    assert.deepEqual(await running, { peers: [] });
    await stop(dir);
  },
);

processTest(
  "the error of a child that ends early is the command's own",
  async (dir) => {
    behave(dir, { failure: "Port 9000 is taken" });
    await assert.rejects(ensureNode(dir, OPTIONS), {
      code: "port-taken",
      message: "Port 9000 is taken",
      hint: "Wait.",
    });
    const left = [...Deno.readDirSync(dir)].filter(({ name }) => name.includes("failed"));
    assert.deepEqual(left, []);
  },
);

processTest(
  "a child that dies of a defect is told with its last words",
  async (dir) => {
    behave(dir, { defect: "the sky fell" });
    await assert.rejects(ensureNode(dir, OPTIONS), {
      code: "internal",
      message: /ended at once \(1\).*the sky fell/,
      hint: /node\.log/,
    });
    assert.match(Deno.readTextFileSync(`${dir}/node.log`), /the sky fell/);
  },
);

processTest(
  "a log that children fill with their last words is rotated by whoever starts the next",
  async (dir) => {
    Deno.writeTextFileSync(`${dir}/node.log`, "x".repeat(LOG_BYTES_MAX), { mode: 0o600 });
    behave(dir, { defect: "the sky fell" });
    await assert.rejects(ensureNode(dir, OPTIONS), { message: /the sky fell/ });
    assert.equal(Deno.statSync(`${dir}/node.log.1`).size, LOG_BYTES_MAX);
    assert.ok(Deno.statSync(`${dir}/node.log`).size < 10_000);
  },
);

testUnless(
  mountObstacle(),
  "a node that ends for want of room is told as disk-full, though it could write nothing",
  () =>
    withSmallDisk(1 << 15, async (dir) => {
      behave(dir, { defect: "the sky fell" });
      await assert.rejects(ensureNode(dir, OPTIONS), { code: "disk-full", message: /No space/ });
      const left = [...Deno.readDirSync(dir)].filter(({ name }) => name.includes("room"));
      assert.deepEqual(left, []);
    }),
  { sanitizeOps: false, sanitizeResources: false },
);

processTest(
  "a log that is no file is a damaged state",
  async (dir) => {
    Deno.mkdirSync(`${dir}/node.log`);
    await assert.rejects(ensureNode(dir, OPTIONS), { code: "state-damaged", message: /node\.log/ });
  },
);

processTest(
  "a command of another build replaces a lingering node",
  async (dir) => {
    await ensureNode(dir, OPTIONS);
    behave(dir, { build: "two" });
    const socket = await ensureNode(dir, { ...OPTIONS, build: "two" });
    const info = await callMethod(socket, "node.info", {}) as { build: string };
    assert.equal(info.build, "two");
    assert.equal(served(dir).length, 2);
    await stop(dir);
  },
);

processTest(
  "a lingering node of another build with open streams is not replaced",
  async (dir) => {
    behave(dir, { busy: ["VM abcd"] });
    await ensureNode(dir, OPTIONS);
    await assert.rejects(ensureNode(dir, { ...OPTIONS, build: "two" }), {
      code: "node-busy",
      message: /VM abcd/,
    });
    await stop(dir);
  },
);

processTest(
  "a foreground node of another build is used as it is",
  async (dir) => {
    openState(dir);
    const node = new Program(FAKE_NODE, "mesh", "run", "--state", dir);
    assert.match(await node.line() ?? "", /serves/);
    await ensureNode(dir, { ...OPTIONS, build: "two" });
    assert.equal(served(dir).length, 1);
    await stop(dir);
    await node.end();
  },
);

processTest(
  "a stale socket is no node",
  async (dir) => {
    const listener = Deno.listen({ transport: "unix", path: `${dir}/other.sock` });
    Deno.renameSync(`${dir}/other.sock`, `${dir}/node.sock`); // closing would remove it
    listener.close();
    await ensureNode(dir, OPTIONS);
    assert.equal(served(dir).length, 1);
    await stop(dir);
  },
);

processTest(
  "a node that hangs ends the command in time",
  async (dir) => {
    openState(dir);
    behave(dir, { hangs: true });
    const node = new Program(FAKE_NODE, "mesh", "run", "--state", dir);
    assert.equal(await node.line(), "holds");
    await assert.rejects(ensureNode(dir, { ...OPTIONS, timeoutMs: 500 }), { code: "timeout" });
    await node.kill();
  },
);

processTest(
  "callEnsured() starts a node and calls it",
  async (dir) => {
    const info = await callEnsured(dir, "node.info", {}, OPTIONS) as { build: string };
    assert.equal(info.build, "one");
    await stop(dir);
  },
);

Deno.test("childEnvironment() keeps what a program needs, and no secrets", () => {
  const kept = childEnvironment({
    PATH: "/bin",
    LC_ALL: "C",
    HOME: "",
    OMERTA_INVITE: "omerta://join/secret",
    OMERTA_STATE: "/s",
    OMERTA_LINGER: "5s",
    LD_PRELOAD: "x",
    AWS_SECRET: "y",
  });
  assert.deepEqual(kept, { PATH: "/bin", LC_ALL: "C", OMERTA_LINGER: "5s" });
});

Deno.test(
  "error files that nobody took are swept when they are old",
  inDirectory((dir) => {
    const paths = openState(dir);
    Deno.writeTextFileSync(`${dir}/node.failed.1`, "{}");
    Deno.utimeSync(`${dir}/node.failed.1`, 1, 1);
    Deno.writeTextFileSync(`${dir}/node.failed.2`, "{}");
    sweepEarlyEnds(paths, Date.now());
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name), ["node.failed.2"]);
  }),
);
