import { deepStrictEqual } from "node:assert/strict";
import { END_REASONS, OWNERS_END_REASONS, ownersEndReason } from "../../src/market/mod.ts";

Deno.test("an owner is told that the time of its VM was over, not which; else the reason itself", () => {
  const told = END_REASONS.map((reason) => [reason, ownersEndReason(reason)]);
  const other = told.filter(([reason, word]) => reason !== word);
  deepStrictEqual(other, [["reservation", "expired"], ["lease", "expired"], ["life", "expired"]]);
  deepStrictEqual(new Set(told.map(([, word]) => word)), new Set(OWNERS_END_REASONS));
  deepStrictEqual(ownersEndReason(null), null);
});
