import assert from "node:assert/strict";
import { Backoff, doubledMs, seededRandom, stepMs } from "../../src/base/mod.ts";

Deno.test("Backoff waits longer each time, and goes on with the last step", () => {
  const backoff = new Backoff({ stepsMs: [100, 1_000, 15_000], jitter: 0 }, seededRandom(1));
  assert.deepEqual(Array.from({ length: 5 }, () => backoff.next()), [
    100,
    1_000,
    15_000,
    15_000,
    15_000,
  ]);
  assert.equal(backoff.attempts, 5);
});

Deno.test("Backoff begins anew after a success", () => {
  const backoff = new Backoff({ stepsMs: [100, 1_000], jitter: 0 }, seededRandom(1));
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.attempts, 0);
  assert.equal(backoff.next(), 100);
});

Deno.test("Backoff's jitter stays within its share, and is not one value", () => {
  const backoff = new Backoff({ stepsMs: [1_000], jitter: 0.25 }, seededRandom(7));
  const waits = Array.from({ length: 1_000 }, () => backoff.next());
  assert.ok(waits.every((ms) => ms >= 750 && ms <= 1_250));
  assert.ok(Math.min(...waits) < 800 && Math.max(...waits) > 1_200);
});

Deno.test("Backoff without steps is a caller's mistake", () => {
  assert.throws(() => new Backoff({ stepsMs: [] }, seededRandom(1)), RangeError);
});

Deno.test("stepMs() goes on with the last step, and doubledMs() to its bound", () => {
  assert.deepEqual([0, 1, 2, 9].map((attempts) => stepMs([5, 15, 60], attempts)), [5, 15, 60, 60]);
  assert.equal(stepMs([], 3), 0);
  assert.deepEqual([0, 1, 2, 3].map((times) => doubledMs(250, times, 1_000)), [
    250,
    500,
    1_000,
    1_000,
  ]);
  assert.equal(doubledMs(250, 4), 4_000);
  assert.equal(doubledMs(250, 5_000, 1_000), 1_000);
});
