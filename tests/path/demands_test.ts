/** How often each class of keep-alive has a path pinged: the table at the head of its module. */
import assert from "node:assert/strict";
import { PING_BUSY_MS, PING_HOLD_MS, PING_WARM_MS } from "../../src/path/constants.ts";
import { type Demand, pingIntervalMs } from "../../src/path/demands.ts";

const TABLE: Readonly<Record<Demand, readonly [active: number, other: number]>> = {
  hold: [PING_HOLD_MS, PING_HOLD_MS],
  warm: [PING_WARM_MS, PING_HOLD_MS],
  busy: [PING_BUSY_MS, PING_WARM_MS],
};

for (const [demand, [active, other]] of Object.entries(TABLE) as [Demand, [number, number]][]) {
  Deno.test(`a path that is ${demand} is pinged every ${active} ms, others every ${other} ms`, () => {
    assert.equal(pingIntervalMs(demand, true), active);
    assert.equal(pingIntervalMs(demand, false), other);
    assert.ok(active <= other);
  });
}
