import assert from "node:assert/strict";
import { main } from "../../scripts/sim.ts";
import { type Scenario, SCENARIOS } from "../../src/sim/mod.ts";

function sim(args: readonly string[], scenarios: readonly Scenario[] = SCENARIOS) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const out = (text: string) => void stdout.push(text);
  const err = (text: string) => void stderr.push(text);
  const code = main(args, { scenarios, out, err });
  return { code, stdout: stdout.join(""), stderr: stderr.join("") };
}

/** A report without what the run cost. */
function came(json: string): object {
  const report = JSON.parse(json) as Record<string, unknown>;
  const costs = Object.keys(report).filter((key) => /^(cpu|memory|wall)_/.test(key));
  assert.equal(costs.length, 7);
  return Object.fromEntries(Object.entries(report).filter(([key]) => !costs.includes(key)));
}

Deno.test("scripts/sim lists scenarios, one line each, and says how it is used", () => {
  const { code, stdout } = sim([]);
  assert.equal(code, 0);
  assert.equal(stdout.trimEnd().split("\n").length, SCENARIOS.length);
  assert.match(stdout, /^direct-lan {2,}\S.*\(2 nodes\)$/m);
  assert.match(sim(["--help"]).stdout, /^usage: scripts\/sim \[NAME\]/);
});

Deno.test("scripts/sim NAME --json gives the same document for the same seed but for its cost", () => {
  const [one, other] = [1, 2].map(() => sim(["direct-lan", "--seed", "7", "--json"]));
  assert.equal(one?.code, 0);
  assert.deepEqual(came(one?.stdout ?? ""), came(other?.stdout ?? ""));
});

Deno.test("scripts/sim NAME tells a person what came of it", () => {
  const { code, stdout } = sim(["direct-lan"]);
  assert.equal(code, 0);
  assert.match(stdout, /^direct-lan: 2 nodes, seed 1$/m);
  assert.match(stdout, /pairs: 1 direct, 0 relayed, 0 without a session/);
});

Deno.test("a scenario that fails says what does not hold, its seed, and how to see it again", () => {
  const [lan] = SCENARIOS;
  assert.ok(lan);
  const plan = {
    ...lan.plan(2),
    expect: [{ name: "relayed" as const, between: ["a", "b"] as const }],
  };
  const { code, stderr } = sim(["direct-lan", "--seed", "3"], [{ ...lan, plan: () => plan }]);
  assert.equal(code, 1);
  assert.match(stderr, /^does not hold: .*"relayed".*: it is direct$/m);
  assert.match(stderr, /^seed 3; again with: scripts\/sim direct-lan --nodes 2 --seed 3$/m);
});

Deno.test("scripts/sim refuses what it does not know, with the list", () => {
  const wrong = [
    ["nope"],
    ["--nope"],
    ["direct-lan", "--nodes", "3"],
    ["direct-lan", "--seed", "x"],
    ["direct-lan", "--seed", "4294967296"],
    ["direct-lan", "relayed-pair"],
  ];
  for (const args of wrong) {
    const { code, stdout, stderr } = sim(args);
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
    assert.match(stderr, /^direct-lan {2}/m);
  }
});
