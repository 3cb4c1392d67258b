import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url).pathname;

function sim(...args: string[]): { code: number; stdout: string; stderr: string } {
  const output = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", `${ROOT}scripts/sim.ts`, ...args],
    cwd: ROOT,
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

/** A report without what the run cost. */
function came(json: string): object {
  const report = JSON.parse(json) as Record<string, unknown>;
  const costs = Object.keys(report).filter((key) => /^(cpu|memory|wall)_/.test(key));
  assert.ok(costs.length >= 3, "the costs are told");
  return Object.fromEntries(Object.entries(report).filter(([key]) => !costs.includes(key)));
}

Deno.test("scripts/sim lists scenarios, one line each, and says how it is used", () => {
  const { code, stdout } = sim();
  assert.equal(code, 0);
  assert.match(stdout, /^direct-lan {2,}\S.*\(2 nodes\)$/m);
  assert.match(sim("--help").stdout, /^usage: scripts\/sim \[NAME\]/);
});

Deno.test("scripts/sim NAME --json gives the same document for the same seed but for its cost", () => {
  const [one, other] = [1, 2].map(() => sim("direct-lan", "--seed", "7", "--json"));
  assert.equal(one?.code, 0);
  assert.deepEqual(came(one?.stdout ?? ""), came(other?.stdout ?? ""));
});

Deno.test("scripts/sim refuses what it does not know, with the list", () => {
  for (
    const args of [["nope"], ["--nope"], ["direct-lan", "--nodes", "3"], [
      "direct-lan",
      "--seed",
      "x",
    ], [
      "direct-lan",
      "relayed-pair",
    ]]
  ) {
    const { code, stderr } = sim(...args);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, /^direct-lan {2}/m);
  }
});
