/** No peer makes a node work for it without end. */
import assert from "node:assert/strict";
import { parseRefusal } from "../../src/node/mod.ts";
import { connected, World } from "./world.ts";

Deno.test("what a node answers by itself, it answers so often and no more, and says so", () => {
  for (
    const [name, question, burst] of [["ping", {}, 400], ["path.candidates", {
      addresses: [],
    }, 20]] as const
  ) {
    const world = new World();
    const [a, b] = connected(world);
    const tokens: number[] = [];
    for (let i = 0; i < burst + 50; i++) {
      tokens.push(a.call(b, name, question));
      if (i % 50 === 49) world.run(20);
    }
    world.run(100);
    const results = tokens.map((token) => a.result(token));
    const refused = results.filter((result) => result?.ok === false && result.reason === "refused");
    const answered = results.filter((result) => result?.ok === true).length;
    assert.ok(answered >= burst && answered <= burst + 30, `${name}: ${answered} answered`);
    assert.equal(refused.length, tokens.length - answered);
    const [first] = refused;
    assert.ok(first?.ok === false && first.reason === "refused");
    assert.equal(parseRefusal(first.body).code, "refused");
    world.run(1_000);
    const later = a.call(b, name, question);
    world.run(100);
    assert.equal(a.result(later)?.ok, true, `${name}: not answered later`);
  }
});
