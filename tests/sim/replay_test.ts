import assert from "node:assert/strict";
import { type Plan, type Report, Run, type Scenario, SCENARIOS } from "../../src/sim/mod.ts";

function played(scenario: Scenario, seed = 1): Report {
  return new Run({ scenario, nodes: scenario.nodes.gate, seed }).finish();
}

/** The same, put into the world the other way round. */
function reversed(plan: Plan): Plan {
  const { hosts, nats = [], realms = [] } = plan;
  return {
    ...plan,
    hosts: hosts.toReversed(),
    nats: nats.toReversed(),
    realms: realms.toReversed(),
  };
}

for (const scenario of SCENARIOS) {
  Deno.test(`${scenario.name}: the same seed gives the same run, in whatever order hosts come`, () => {
    const first = played(scenario);
    const other = { ...scenario, plan: (nodes: number) => reversed(scenario.plan(nodes)) };
    assert.deepEqual(played(other), first);
  });
}

Deno.test("the same plan gives the same run", () => {
  const lossy = SCENARIOS.find(({ name }) => name === "lossy-satellite");
  assert.ok(lossy);
  assert.deepEqual(played(lossy), played(lossy));
});

Deno.test("another seed gives another run", () => {
  const runs = [1, 2].map((seed) => {
    const scenario = {
      ...SCENARIOS[0] as Scenario,
      name: "lossy",
    };
    const plan = scenario.plan(2);
    const lossy = { ...plan, realms: [{ name: "lan", quality: { loss: 0.2 } }], expect: [] };
    return played({ ...scenario, plan: () => lossy }, seed);
  });
  assert.notEqual(runs[0]?.delivered, runs[1]?.delivered);
});
