import assert from "node:assert/strict";
import type { Instant, PeerKey } from "../../../src/base/mod.ts";
import {
  CallBudget,
  JOIN_INVITE_RATE,
  JOIN_RATE,
  JOIN_SOURCE_RATE,
  JoinBudget,
  type Joiner,
  PEER_RATE,
} from "../../../src/daemon/mesh/call_budget.ts";
import type { CallName } from "../../../src/node/mod.ts";

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

// Joiners ----------------------------------------------------------------------------------------

/** How many of `count` joiners are let in at one moment. */
function letIn(budget: JoinBudget, joiner: Partial<Joiner>, count: number, nowMs = 0): number {
  let done = 0;
  for (let i = 0; i < count; i++) {
    if (budget.take({ invite: "a", source: "p", ...joiner }, at(nowMs)).ok) done++;
  }
  return done;
}

Deno.test("joiners are bounded together, by whatever invites and from wherever they come", () => {
  const budget = new JoinBudget();
  let joined = 0;
  for (let i = 0; i < 5_000; i++) {
    if (budget.take({ invite: `i${i}`, source: `p${i}` }, at(0)).ok) joined++;
  }
  assert.equal(joined, JOIN_RATE.burst);
  const late = budget.take({ invite: "late", source: "late" }, at(0));
  assert.ok(!late.ok && late.retryMs > 0, "it is told when to come again");
  assert.equal(budget.take({ invite: "late", source: "late" }, at(1_000)).ok, true);
});

Deno.test("neither an invite nor a source takes the whole budget of joiners", () => {
  const budget = new JoinBudget();
  assert.equal(letIn(budget, {}, 5_000), JOIN_SOURCE_RATE.burst);
  let elsewhere = 0;
  for (let i = 0; i < 5_000; i++) elsewhere += letIn(budget, { source: `p${i}` }, 1);
  assert.equal(elsewhere, JOIN_INVITE_RATE.burst - JOIN_SOURCE_RATE.burst);
  assert.equal(letIn(budget, { invite: "b", source: "q" }, 5_000) > 0, true);
  const dry = new JoinBudget();
  for (let s = 1; s <= 1_200; s++) {
    letIn(dry, { source: "evil" }, 5, s * 1_000);
    if (s % 10 === 0) assert.equal(letIn(dry, { source: `h${s}` }, 1, s * 1_000), 1, `at ${s} s`);
  }
});

Deno.test("joiners that are proven nowhere share one budget", () => {
  const budget = new JoinBudget();
  assert.equal(letIn(budget, { source: null }, 5_000), JOIN_SOURCE_RATE.burst);
});

Deno.test("a joiner that is put off pays nothing", () => {
  const budget = new JoinBudget();
  letIn(budget, { source: "q", invite: "b" }, JOIN_SOURCE_RATE.burst);
  letIn(budget, { source: "q", invite: "a" }, 5_000);
  assert.equal(letIn(budget, { source: "r", invite: "a" }, 5_000), JOIN_SOURCE_RATE.burst);
});
