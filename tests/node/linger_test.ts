/** When a background node ends, and to whom it gives way. */
import assert from "node:assert/strict";
import type { Instant } from "../../src/base/mod.ts";
import {
  FIRST_CALL_MS,
  type LingerIn,
  LingerMachine,
  type LingerOut,
  yieldRefusal,
} from "../../src/node/linger.ts";

const at = (ms: number) => ms as Instant;

function feed(machine: LingerMachine, input: LingerIn, ms: number): LingerOut[] {
  const out: LingerOut[] = [];
  machine.handle(input, at(ms), out);
  return out;
}

function background(lingerMs = 60_000): LingerMachine {
  return new LingerMachine({ mode: "background", lingerMs, now: at(0) });
}

Deno.test("a background node ends after its linger time, and says so once", () => {
  const machine = background();
  feed(machine, { type: "calls", running: 1 }, 10);
  assert.equal(machine.wakeup(), undefined);
  feed(machine, { type: "calls", running: 0 }, 500);
  assert.equal(machine.wakeup()?.at, 60_500);
  assert.deepEqual(feed(machine, { type: "wake" }, 60_499), []);
  assert.deepEqual(feed(machine, { type: "wake" }, 60_500), [{ type: "end" }]);
  assert.deepEqual(feed(machine, { type: "wake" }, 70_000), []);
  assert.equal(machine.wakeup(), undefined);
});

Deno.test("a call in between begins the time anew", () => {
  const machine = background();
  feed(machine, { type: "calls", running: 1 }, 50_000);
  feed(machine, { type: "calls", running: 0 }, 50_001);
  assert.deepEqual(feed(machine, { type: "wake" }, 60_000), []);
  assert.equal(machine.wakeup()?.at, 110_001);
});

Deno.test("a node that nobody has called yet waits for the one that started it", () => {
  const machine = background(0);
  assert.equal(machine.wakeup()?.at, FIRST_CALL_MS);
  feed(machine, { type: "calls", running: 1 }, 5);
  assert.deepEqual(feed(machine, { type: "calls", running: 0 }, 6), [{ type: "end" }]);
});

Deno.test("an open stream holds the node after all calls have ended", () => {
  const machine = background();
  feed(machine, { type: "calls", running: 1 }, 1);
  feed(machine, { type: "hold", name: "VM abcd", open: 2 }, 2);
  feed(machine, { type: "calls", running: 0 }, 3);
  assert.equal(machine.wakeup(), undefined);
  assert.deepEqual(machine.busy(), ["VM abcd (2)"]);
  feed(machine, { type: "hold", name: "VM abcd", open: 1 }, 4);
  assert.deepEqual(machine.busy(), ["VM abcd"]);
  feed(machine, { type: "hold", name: "VM abcd", open: 0 }, 100_000);
  assert.deepEqual(machine.busy(), []);
  assert.equal(machine.wakeup()?.at, 160_000);
});

Deno.test("a node that promised a stream waits for it, and after it for nothing", () => {
  const machine = background(0);
  feed(machine, { type: "calls", running: 1 }, 1);
  feed(machine, { type: "expect", ms: 30_000 }, 2);
  assert.deepEqual(feed(machine, { type: "calls", running: 0 }, 3), []);
  assert.equal(machine.wakeup()?.at, 30_002);
  feed(machine, { type: "hold", name: "VM abcd", open: 1 }, 4);
  assert.equal(machine.wakeup(), undefined);
  assert.deepEqual(feed(machine, { type: "hold", name: "VM abcd", open: 0 }, 5), [{ type: "end" }]);
});

Deno.test("a promised stream that never comes keeps a node for its time only", () => {
  const machine = background(0);
  feed(machine, { type: "calls", running: 1 }, 1);
  feed(machine, { type: "expect", ms: 30_000 }, 2);
  feed(machine, { type: "calls", running: 0 }, 3);
  assert.deepEqual(feed(machine, { type: "wake" }, 30_002), [{ type: "end" }]);
});

Deno.test("a foreground node never ends by itself", () => {
  const machine = new LingerMachine({ mode: "foreground", lingerMs: 0, now: at(0) });
  feed(machine, { type: "calls", running: 1 }, 1);
  assert.deepEqual(feed(machine, { type: "calls", running: 0 }, 1_000_000), []);
  assert.equal(machine.wakeup(), undefined);
});

const NODE = { pid: 12, state: "/state", busy: [] } as const;

Deno.test("an idle background node yields to a foreground one and to another build", () => {
  for (const by of ["foreground", "build"] as const) {
    assert.equal(yieldRefusal({ ...NODE, mode: "background" }, { by }), undefined);
  }
});

Deno.test("a busy background node refuses and names its streams", () => {
  const node = { ...NODE, mode: "background", busy: ["VM abcd"] } as const;
  const error = yieldRefusal(node, { by: "foreground" });
  assert.equal(error?.code, "node-busy");
  assert.match(error?.message ?? "", /VM abcd/);
  assert.deepEqual(error?.fields.streams, ["VM abcd"]);
});

Deno.test("a foreground node refuses, naming its process and state", () => {
  const node = { ...NODE, mode: "foreground" } as const;
  const error = yieldRefusal(node, { by: "foreground" });
  assert.equal(error?.code, "node-running");
  assert.match(error?.message ?? "", /12.*\/state/);
});
