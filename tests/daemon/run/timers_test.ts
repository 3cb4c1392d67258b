/** The host's timers, and the use of a running node. */
import assert from "node:assert/strict";
import { Lingering } from "../../../src/daemon/run/lingering.ts";
import { HostTimers } from "../../../src/daemon/run/timers.ts";
import type { NodeMode } from "../../../src/node/mod.ts";
import { FakeTime } from "../fake_time.ts";

Deno.test("a timer acts once, at its time, unless it was voided", async () => {
  using time = new FakeTime();
  const timers = new HostTimers();
  const acted: string[] = [];
  timers.after(100, () => void acted.push("kept"));
  timers.after(100, () => void acted.push("voided"))();
  await time.advance(99);
  assert.deepEqual(acted, []);
  await time.advance(1_000);
  assert.deepEqual(acted, ["kept"]);
  assert.equal(time.pending, 0);
});

Deno.test("once closed, no timer acts and none is set any more", async () => {
  using time = new FakeTime();
  const timers = new HostTimers();
  let acted = 0;
  timers.after(100, () => acted++);
  timers.close();
  timers.after(100, () => acted++)();
  await time.advance(1_000);
  assert.deepEqual([acted, time.pending], [0, 0]);
});

Deno.test("a signal aborts by itself", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const signal = new HostTimers().signal(1);
  signal.addEventListener("abort", () => resolve());
  await promise;
  assert.equal((signal.reason as DOMException).name, "TimeoutError");
});

function lingering(time: FakeTime, mode: NodeMode) {
  const timers = new HostTimers();
  const rig = { ended: 0, timers };
  const onEnd = () => void rig.ended++;
  return Object.assign(rig, {
    use: new Lingering({ mode, lingerMs: 30_000, clock: { now: () => time.now }, timers, onEnd }),
  });
}

Deno.test("a background node ends after its last use, and not while a stream is open", async () => {
  using time = new FakeTime();
  const rig = lingering(time, "background");
  rig.use.step({ type: "wake" });
  await time.advance(29_000);
  rig.use.step({ type: "calls", running: 1 });
  rig.use.step({ type: "hold", name: "VM a", open: 1 });
  rig.use.step({ type: "calls", running: 0 });
  await time.advance(100_000);
  assert.deepEqual([rig.ended, rig.use.busy()], [0, ["VM a"]]);
  rig.use.step({ type: "hold", name: "VM a", open: 0 });
  await time.advance(29_999);
  assert.equal(rig.ended, 0);
  await time.advance(1);
  assert.deepEqual([rig.ended, time.pending], [1, 0]);
});

Deno.test("a foreground node never ends by itself, and sets no timer", async () => {
  using time = new FakeTime();
  const rig = lingering(time, "foreground");
  rig.use.step({ type: "wake" });
  await time.advance(1_000_000);
  assert.deepEqual([rig.ended, time.pending], [0, 0]);
});
