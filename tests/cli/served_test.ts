/** The program as a process against a node's real API: calls, signals, time limits, taking tickets. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import { type ApiTable, createApi } from "../../src/api/server.ts";
import { serveUnix } from "../../src/host/process/unix_server.ts";
import { withDirectory } from "../host/scratch.ts";
import { VM } from "./fakes.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const BUILD = { pid: 1, build: "another", mode: "foreground", roles: [] } as const;

/** Serves methods on a state directory for the time of a test. */
async function serving(methods: ApiTable, test: (state: string) => Promise<void>): Promise<void> {
  await withDirectory(async (state) => {
    const info = { input: v.strictObject({}), run: () => Promise.resolve(BUILD) };
    const api = createApi({ "node.info": info, ...methods });
    const server = serveUnix(`${state}/node.sock`, api.fetch);
    try {
      await test(state);
    } finally {
      await server.close();
    }
  });
}

function start(state: string, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, ...args, "--state", state],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function ended(child: Deno.ChildProcess) {
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A request that lasts until its caller leaves; tells when it began and when it was left. */
function endlessRequest() {
  const [began, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let isBegun = false;
  const methods: ApiTable = {
    "consumer.request": {
      input: v.any(),
      run: (_, { signal }) => {
        isBegun = true;
        began.resolve();
        return new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            left.resolve();
            reject(signal.reason);
          });
        });
      },
    },
  };
  return { methods, began: began.promise, left: left.promise, hasBegun: () => isBegun };
}

Deno.test("a command prints what a running node answers", async () => {
  const list = { input: v.any(), run: () => Promise.resolve({ vms: [VM] }) };
  await serving({ "consumer.list": list }, async (state) => {
    const { code, stdout, stderr } = await ended(start(state, ["list", "--json"]));
    strictEqual(code, 0, stderr);
    deepStrictEqual(JSON.parse(stdout), { schema: "omerta.consumer.list/1", vms: [VM] });
  });
});

Deno.test("SIGINT and SIGTERM end a call at the node, and the command with 130 and 143", async () => {
  for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    const { methods, began, left } = endlessRequest();
    await serving(methods, async (state) => {
      const child = start(state, ["request", "--json"]);
      await began;
      child.kill(signal);
      await left;
      const { code, stdout } = await ended(child);
      strictEqual(code, status);
      strictEqual(JSON.parse(stdout).error.code, "interrupted");
    });
  }
});

Deno.test("--timeout ends a call at the node, and the command with 7", async () => {
  const { methods, left, hasBegun } = endlessRequest();
  await serving(methods, async (state) => {
    const { code, stdout, stderr } = await ended(start(state, ["request", "--timeout", "900ms"]));
    strictEqual(code, 7);
    strictEqual(stdout, "");
    match(stderr, /^omerta: Gave up after 900ms\.\n/);
    // On a machine so slow that the call never began there is nothing to leave.
    if (hasBegun()) await left;
  });
});
