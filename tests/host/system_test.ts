/** What the system knows. */
import assert from "node:assert/strict";
import {
  bootId,
  bootTimeMs,
  CLOCK_STEP_MS,
  cpuCount,
  findExecutable,
  localAddresses,
  memoryTotalBytes,
  monotonicNow,
  systemRandom,
  watchClock,
} from "../../src/host/system.ts";
import { delay } from "../../src/host/delay.ts";
import { inDirectory } from "./scratch.ts";

Deno.test("systemRandom gives as many bytes as asked for, also many", () => {
  const bytes = systemRandom.bytes(200_000);
  assert.equal(bytes.length, 200_000);
  assert.ok(bytes.subarray(-32).some((byte) => byte !== 0));
  assert.notDeepEqual(systemRandom.bytes(32), systemRandom.bytes(32));
});

Deno.test("the machine's own clocks do not go back", () => {
  const [monotonic, boot] = [monotonicNow(), bootTimeMs()];
  assert.ok(monotonicNow() >= monotonic);
  assert.ok(bootTimeMs() >= boot && boot > 0);
  assert.match(bootId(), /^[0-9a-f-]{36}$/);
});

Deno.test("the machine has processors, memory and a loopback address", () => {
  assert.ok(cpuCount() >= 1);
  assert.ok(memoryTotalBytes() > 1 << 20);
  const loopback = localAddresses().find(({ address }) => address === "127.0.0.1");
  assert.deepEqual(loopback, {
    interface: "lo",
    family: "ipv4",
    address: "127.0.0.1",
    prefixLength: 8,
  });
});

Deno.test("watchClock() reports a step of the wall clock once, and neither drift nor sleep", () => {
  let [wall, boot] = [1_000_000, 5_000];
  const step = watchClock({ wallMs: () => wall, bootMs: () => boot });
  const pass = (ms: number) => [wall, boot] = [wall + ms, boot + ms];
  pass(3_600_000); // an hour, perhaps asleep
  assert.equal(step(), 0);
  for (let i = 0; i < 10; i++) {
    pass(1000);
    wall += CLOCK_STEP_MS / 2;
    assert.equal(step(), 0);
  }
  wall += 86_400_000;
  assert.equal(step(), 86_400_000);
  assert.equal(step(), 0);
  wall -= 5000;
  assert.equal(step(), -5000);
});

Deno.test(
  "findExecutable() takes the first file of PATH that may be executed",
  inDirectory((dir) => {
    for (const [place, mode] of [["a", 0o644], ["b", 0o755], ["c", 0o755]] as const) {
      Deno.mkdirSync(`${dir}/${place}`);
      Deno.writeTextFileSync(`${dir}/${place}/tool`, "");
      Deno.chmodSync(`${dir}/${place}/tool`, mode);
    }
    Deno.mkdirSync(`${dir}/b/folder`);
    const path = `${dir}/none:${dir}/a:${dir}/b:${dir}/c:.`;
    assert.equal(findExecutable("tool", path), `${dir}/b/tool`);
    assert.equal(findExecutable("folder", path), undefined);
    assert.equal(findExecutable("no-such-tool", path), undefined);
    assert.ok(findExecutable("sh", "/bin")?.endsWith("/sh"));
  }),
);

Deno.test("delay() can be ended, before and while it waits", async () => {
  await delay(1);
  await assert.rejects(delay(60_000, AbortSignal.abort(new Error("before"))), {
    message: "before",
  });
  const leave = new AbortController();
  const waiting = delay(60_000, leave.signal);
  leave.abort(new Error("while"));
  await assert.rejects(waiting, { message: "while" });
});
