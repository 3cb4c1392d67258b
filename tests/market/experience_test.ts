/** What a renter remembers of providers. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  afterFailure,
  afterService,
  type Experience,
  isKnown,
  isShunned,
  NO_EXPERIENCE,
} from "../../src/market/mod.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;

function failed(times: number, everyMs = 0): Experience {
  let known = NO_EXPERIENCE;
  for (let i = 0; i < times; i++) known = afterFailure(known, i * everyMs);
  return known;
}

Deno.test("one that failed is shunned for a minute, longer each time, an hour at most", () => {
  for (const [times, minutes] of [[1, 1], [2, 2], [3, 4], [6, 32], [7, 60], [40, 60]] as const) {
    strictEqual(isShunned(failed(times), minutes * MINUTE - 1), true, `${times} failures`);
    strictEqual(isShunned(failed(times), minutes * MINUTE), false, `${times} failures`);
  }
  strictEqual(isShunned(NO_EXPERIENCE, 0), false);
});

Deno.test("failures are forgotten after a day without one, and after a VM that was ready", () => {
  strictEqual(failed(3, DAY + 1).failures, 1);
  const served = afterService(failed(5), 7);
  deepStrictEqual([served.failures, served.servedAtMs, isShunned(served, 8)], [0, 7, false]);
});

Deno.test("a clock that is set back shuns nobody for ever", () => {
  strictEqual(isShunned(afterFailure(NO_EXPERIENCE, 10 * DAY), 9 * DAY), false);
});

Deno.test("known is who was trusted or has served, not who failed", () => {
  strictEqual(isKnown(failed(3)), false);
  strictEqual(isKnown({ ...NO_EXPERIENCE, trustedAtMs: 1 }), true);
  strictEqual(isKnown(afterFailure(afterService(NO_EXPERIENCE, 1), 2)), true);
});
