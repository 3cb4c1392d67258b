/** How many may join at once. */
import assert from "node:assert/strict";
import type { Instant } from "../../../src/base/mod.ts";
import {
  JOIN_INVITE_RATE,
  JOIN_RATE,
  JOIN_SOURCE_RATE,
  JoinBudget,
  type Joiner,
} from "../../../src/daemon/networks/join_budget.ts";

const at = (ms: number) => ms as Instant;

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
