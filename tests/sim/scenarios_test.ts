import assert from "node:assert/strict";
import { Run, SCENARIOS } from "../../src/sim/mod.ts";

Deno.test("scenarios have names of their own, one line each, and sizes within their bounds", () => {
  assert.equal(new Set(SCENARIOS.map(({ name }) => name)).size, SCENARIOS.length);
  for (const { name, about, nodes, bounds: { min, max } } of SCENARIOS) {
    assert.match(name, /^[a-z][a-z-]*$/);
    assert.ok(!about.includes("\n") && about.length <= 110, about);
    for (const size of [nodes.gate, nodes.full]) assert.ok(size >= min && size <= max, name);
  }
});

for (const scenario of SCENARIOS) {
  const { name, nodes: { gate: nodes } } = scenario;
  Deno.test(`${name} holds with ${nodes} nodes`, () => {
    for (const seed of [1, 2]) {
      const { faults } = new Run({ scenario, nodes, seed }).finish();
      assert.deepEqual(faults, [], `scripts/sim ${name} --nodes ${nodes} --seed ${seed}`);
    }
  });
}
