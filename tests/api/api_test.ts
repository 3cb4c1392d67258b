/** The local API from its client to its methods, over a real unix socket. */
import assert from "node:assert/strict";
import * as v from "valibot";
import { callNode } from "../../src/api/client.ts";
import { type Api, type ApiOptions, type ApiTable, createApi } from "../../src/api/server.ts";
import { BODY_BYTES_MAX } from "../../src/api/server.ts";
import { OmertaError } from "../../src/base/mod.ts";
import { callMethod } from "../../src/host/process/node_client.ts";
import { serveUnix, type UnixServer } from "../../src/host/process/unix_server.ts";
import { withDirectory } from "../host/scratch.ts";

const PATH_NONE = {
  kind: "none",
  address: null,
  via: null,
  transport: null,
  rtt_ms: null,
  loss: null,
  mtu: null,
  since_at: null,
} as const;
const PONG = { peer: "p", sent: 1, received: 0, rtt_ms: none(), path: PATH_NONE } as const;
const PING = {
  network: null,
  peer: "abcd",
  count: 1,
  intervalMs: 1000,
  untilDirect: false,
} as const;

function none() {
  return { min: null, p50: null, p99: null, max: null };
}

type Ping = NonNullable<ApiTable["mesh.ping"]>;

const pingInput = v.strictObject({
  network: v.nullable(v.string()),
  peer: v.string(),
  count: v.pipe(v.number(), v.integer(), v.minValue(1, "must be at least 1")),
  intervalMs: v.number(),
  untilDirect: v.boolean(),
});

interface Served {
  readonly socket: string;
  readonly server: UnixServer;
  readonly api: Api;
}

/** Serves `mesh.ping` done by `run` for the time of a test. */
async function serving(
  run: Ping["run"],
  test: (served: Served) => Promise<void>,
  options: ApiOptions = {},
): Promise<void> {
  await withDirectory(async (dir) => {
    const api = createApi({ "mesh.ping": { input: pingInput, run } }, options);
    const socket = `${dir}/node.sock`;
    const server = serveUnix(socket, api.fetch);
    try {
      await test({ socket, server, api });
    } finally {
      api.abort(new OmertaError("no-node", "The test is over"));
      await server.close();
    }
  });
}

const pong = () => Promise.resolve({ ...PONG, direct_after_ms: null });

/** A method that waits until it is told to stop. */
const waits: Ping["run"] = (_input, { signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

Deno.test("a call gives progress, items and its result", async () => {
  const run: Ping["run"] = async (input, { progress, item }) => {
    progress("asking", { phase: "match" });
    item({ seq: 1, rtt_ms: null, path: PATH_NONE });
    return await pong().then((result) => ({ ...result, peer: input.peer }));
  };
  await serving(run, async ({ socket }) => {
    const heard: unknown[] = [];
    const onProgress = (progress: unknown) => heard.push(progress);
    const onItem = (item: { seq: number }) => heard.push(item.seq);
    const result = await callNode(socket, "mesh.ping", PING, { onProgress, onItem });
    assert.equal(result.peer, "abcd");
    assert.deepEqual(heard, [{ phase: "match", text: "asking" }, 1]);
  });
});

Deno.test("the socket is its owner's alone", async () => {
  await serving(pong, ({ socket }) => {
    assert.equal((Deno.lstatSync(socket).mode ?? 0) & 0o777, 0o700);
    return Promise.resolve();
  });
});

Deno.test("an error comes back with code, hint, fields and exit status", async () => {
  const run = () => {
    throw new OmertaError("ambiguous", "two fit", { hint: "Say more.", fields: { fits: ["a"] } });
  };
  await serving(run, async ({ socket }) => {
    await assert.rejects(callNode(socket, "mesh.ping", PING), {
      code: "ambiguous",
      message: "two fit",
      hint: "Say more.",
      fields: { fits: ["a"] },
      exit: 3,
    });
  });
});

Deno.test("a defect is told as one, and to the node", async () => {
  const defects: unknown[] = [];
  const onDefect = (method: string, error: unknown) => defects.push([method, String(error)]);
  const run = () => Promise.reject(new TypeError("oops"));
  await serving(run, async ({ socket }) => {
    await assert.rejects(callNode(socket, "mesh.ping", PING), { code: "internal", exit: 1 });
    assert.deepEqual(defects, [["mesh.ping", "TypeError: oops"]]);
  }, { onDefect });
});

const BAD_INPUTS: readonly { what: string; input: unknown; says: RegExp }[] = [
  { what: "a missing field", input: { ...PING, peer: undefined }, says: /mesh\.ping.*'peer'/ },
  { what: "a field of another type", input: { ...PING, count: "1" }, says: /'count'/ },
  {
    what: "a value out of range",
    input: { ...PING, count: 0 },
    says: /'count': must be at least 1/,
  },
  { what: "an unknown field", input: { ...PING, more: 1 }, says: /'more'/ },
  { what: "no object", input: 7, says: /bad input/ },
];

for (const { what, input, says } of BAD_INPUTS) {
  Deno.test(`${what} in the input is refused as usage`, async () => {
    await serving(pong, async ({ socket }) => {
      await assert.rejects(callMethod(socket, "mesh.ping", input), {
        code: "usage",
        message: says,
      });
    });
  });
}

Deno.test("a body that is no JSON, or too large, is refused", async () => {
  const api = createApi({ "mesh.ping": { input: pingInput, run: pong } });
  const post = async (body: string) => {
    const request = new Request("http://localhost/v1/mesh/ping", { method: "POST", body });
    const response = await api.fetch(request);
    return [response.status, JSON.parse(await response.text()).error.code];
  };
  assert.deepEqual(await post("{"), [400, "usage"]);
  assert.deepEqual(await post(" ".repeat(BODY_BYTES_MAX + 1)), [413, "usage"]);
});

Deno.test("unknown methods are told so, those of Object too", async () => {
  await serving(pong, async ({ socket }) => {
    for (const name of ["mesh.nothing", "constructor.name", "mesh", "a.b.c", "__proto__.x"]) {
      await assert.rejects(callMethod(socket, name, {}), { code: "unsupported" }, name);
    }
  });
});

Deno.test("a caller that leaves ends its method", async () => {
  const stopped = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const run: Ping["run"] = (input, context) => {
    context.signal.addEventListener("abort", () => stopped.resolve());
    begun.resolve();
    return waits(input, context);
  };
  await serving(run, async ({ socket }) => {
    const leave = new AbortController();
    const call = callNode(socket, "mesh.ping", PING, { signal: leave.signal });
    await begun.promise;
    leave.abort(new Error("enough"));
    await assert.rejects(call, { message: "enough" });
    await stopped.promise;
  });
});

Deno.test("a call that takes too long is given up", async () => {
  await serving(waits, async ({ socket }) => {
    await assert.rejects(callNode(socket, "mesh.ping", PING, { timeoutMs: 20 }), {
      code: "timeout",
    });
  });
});

Deno.test("calls are counted and bounded", async () => {
  const counts: number[] = [];
  const options = { callsMax: 1, onCalls: (running: number) => counts.push(running) };
  const begun = Promise.withResolvers<void>();
  const run: Ping["run"] = (input, context) => {
    begun.resolve();
    return waits(input, context);
  };
  await serving(run, async ({ socket, api }) => {
    const first = callNode(socket, "mesh.ping", PING);
    await begun.promise;
    await assert.rejects(callNode(socket, "mesh.ping", PING), { code: "refused" });
    api.abort(new OmertaError("node-busy", "ends"));
    await assert.rejects(first, { code: "node-busy", message: "ends" });
    assert.deepEqual(counts, [1, 0]);
  }, options);
});

Deno.test("a question about the node is no use of it", async () => {
  const counts: number[] = [];
  const about = { input: pingInput, isUse: false, run: pong };
  const api = createApi({ "mesh.ping": about }, { onCalls: (running) => counts.push(running) });
  const answer = await api.fetch(
    new Request("http://node/v1/mesh/ping", { method: "POST", body: JSON.stringify(PING) }),
  );
  assert.match(await answer.text(), /"result"/);
  await api.drained();
  assert.deepEqual(counts, []);
});

Deno.test("a caller that is sent away hears why at once, also from a method that does not stop", async () => {
  const begun = Promise.withResolvers<void>();
  const stop = Promise.withResolvers<void>();
  const run: Ping["run"] = async () => {
    begun.resolve();
    await stop.promise;
    return await pong();
  };
  await serving(run, async ({ socket, server, api }) => {
    const call = callNode(socket, "mesh.ping", PING);
    await begun.promise;
    api.abort(new OmertaError("no-node", "The node was stopped"));
    await assert.rejects(call, { code: "no-node", message: "The node was stopped" });
    await server.close();
    stop.resolve();
  });
});

Deno.test("a node that ends finishes its calls and refuses new ones", async () => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const run: Ping["run"] = async () => {
    begun.resolve();
    await finish.promise;
    return await pong();
  };
  await serving(run, async ({ socket, server, api }) => {
    const running = callNode(socket, "mesh.ping", PING);
    await begun.promise;
    api.refuse();
    await assert.rejects(callNode(socket, "mesh.ping", PING), {
      code: "no-node",
      fields: { began: false },
    });
    const drained = api.drained();
    const closed = server.close();
    await assert.rejects(callNode(socket, "mesh.ping", PING), {
      code: "no-node",
      fields: { began: false, states: [socket.slice(0, -"/node.sock".length)] },
    });
    finish.resolve();
    await drained;
    assert.equal((await running).sent, 1);
    await closed;
    await api.drained();
  });
});

Deno.test("no node: nothing there, or a stale socket", async () => {
  await withDirectory(async (dir) => {
    const socket = `${dir}/node.sock`;
    await assert.rejects(callNode(socket, "mesh.ping", PING), { code: "no-node", exit: 4 });
    Deno.writeTextFileSync(socket, "");
    await assert.rejects(callNode(socket, "mesh.ping", PING), { code: "no-node" });
  });
});

Deno.test("a reader that does not read ends a method that emits", async () => {
  const ended = Promise.withResolvers<string>();
  const run: Ping["run"] = async (_input, { signal, item }) => {
    while (!signal.aborted) {
      for (let seq = 0; seq < 1000; seq++) item({ seq, rtt_ms: null, path: PATH_NONE });
      await new Promise((resolve) => setTimeout(resolve)); // lets the stream drain
    }
    ended.resolve(String(signal.reason.message));
    throw signal.reason;
  };
  await serving(run, async ({ socket }) => {
    using connection = await Deno.connect({ transport: "unix", path: socket });
    const body = JSON.stringify(PING);
    const head = `POST /v1/mesh/ping HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head + body));
    assert.match(await ended.promise, /too slow/);
  });
});
