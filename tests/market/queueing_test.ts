/** When a request that waits for room asks again. */
import { ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { seededRandom } from "../../src/base/mod.ts";
import { type Queued, queuePauseMs } from "../../src/market/mod.ts";
import { at } from "./samples.ts";

const queued = (changes: Partial<Queued> = {}): Queued => {
  return { waits: 0, retryMs: 0, now: at(0), deadline: at(30_000), ...changes };
};
const pause = (changes: Partial<Queued> = {}, seed = 1) =>
  queuePauseMs(queued(changes), seededRandom(seed));

Deno.test("the pause grows, with a jitter of up to a half, and stays below 6 s", () => {
  for (
    const [waits, least] of [[0, 500], [1, 1_000], [2, 2_000], [3, 4_000], [100, 4_000]] as const
  ) {
    const all = Array.from({ length: 50 }, (_, seed) => pause({ waits }, seed + 1) ?? -1);
    ok(all.every((ms) => ms >= least && ms <= least * 1.5), `${waits} waits`);
    ok(new Set(all).size > 10, "they are jittered");
  }
});

Deno.test("nobody is asked sooner than it said, nor after the deadline", () => {
  const times = fc.record({
    waits: fc.nat(50),
    retryMs: fc.nat(60_000),
    now: fc.nat(40_000).map(at),
  });
  fc.assert(fc.property(times, fc.integer({ min: 1 }), (changes, seed) => {
    const waitMs = pause(changes, seed);
    const leftMs = 30_000 - changes.now;
    strictEqual(waitMs === undefined, leftMs <= 0 || changes.retryMs > leftMs);
    if (waitMs !== undefined) ok(waitMs >= changes.retryMs && waitMs <= leftMs);
  }));
});
