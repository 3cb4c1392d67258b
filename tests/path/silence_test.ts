import { deepStrictEqual } from "node:assert/strict";
import { silenceOf } from "../../src/path/mod.ts";

Deno.test("silence is a doubt after half a wait for an answer, and death after nearly four", () => {
  deepStrictEqual(silenceOf(400), { doubtMs: 200, deadMs: 1_500 });
  deepStrictEqual(silenceOf(1_600), { doubtMs: 800, deadMs: 6_000 });
});
