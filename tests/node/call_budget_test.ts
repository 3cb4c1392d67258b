/** How often a peer may ask. */
import assert from "node:assert/strict";
import type { Instant, PeerKey } from "../../src/base/mod.ts";
import { CallBudget, PATH_RATE, PEER_RATE } from "../../src/node/call_budget.ts";
import type { CallName } from "../../src/node/mod.ts";

const at = (ms: number) => ms as Instant;
const peer = (name: string) => `network/${name}` as PeerKey;

/** How many of `count` calls are answered at one moment. */
function answered(budget: CallBudget, name: CallName, count: number, nowMs = 0): number {
  let done = 0;
  for (let i = 0; i < count; i++) if (budget.take(peer("a"), name, at(nowMs))) done++;
  return done;
}

Deno.test("a peer that asks without end is answered so often and no more", () => {
  const budget = new CallBudget();
  assert.equal(answered(budget, "vm.reserve", 10_000), PEER_RATE.burst / 10);
  assert.equal(answered(budget, "vm.status", 10_000), 0);
});

Deno.test("a peer is answered again as time goes by", () => {
  const budget = new CallBudget();
  answered(budget, "relay.allocate", 10_000);
  assert.equal(answered(budget, "relay.allocate", 100, 2_000), 2 * PEER_RATE.perS / 5);
  assert.equal(answered(budget, "record.list", 10_000, 10_000_000), PEER_RATE.burst);
});

Deno.test("what one peer spends is not missing to another", () => {
  const budget = new CallBudget();
  answered(budget, "vm.reserve", 10_000);
  assert.equal(budget.take(peer("b"), "vm.reserve", at(0)), true);
});

Deno.test("a whole directory of 10 000 records is read at once", () => {
  assert.equal(answered(new CallBudget(), "record.list", 834), 834);
});

Deno.test("what keeps paths alive takes nothing from the rest, and has its own bound", () => {
  const budget = new CallBudget();
  assert.equal(answered(budget, "ping", 10_000), PATH_RATE.burst);
  assert.equal(answered(budget, "path.candidates", 100, 1_000), PATH_RATE.perS / 20);
  assert.equal(answered(budget, "vm.reserve", 10_000, 1_000), PEER_RATE.burst / 10);
});
