import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  GRANT_BITS_MAX,
  grantBits,
  grantedRoles,
  GRANTS,
  grantsOfBits,
  isWithinGrants,
  parseGrants,
} from "../../src/membership/mod.ts";

Deno.test("parseGrants() takes known words in any order and gives them in theirs", () => {
  deepStrictEqual(parseGrants("rent"), { ok: true, value: ["rent"] });
  deepStrictEqual(parseGrants("admit,relay,rent"), { ok: true, value: ["rent", "relay", "admit"] });
});

Deno.test("parseGrants() refuses the whole text for one word that is unknown or doubled", () => {
  for (const text of ["", ",", "rent,", "rent, provide", "Rent", "all", "rent,*", "toString"]) {
    deepStrictEqual(parseGrants(text), { ok: false, reason: "unknown-grant" }, text);
  }
  deepStrictEqual(parseGrants("rent,rent"), { ok: false, reason: "doubled" });
});

Deno.test("every set of grants is one number and back", () => {
  strictEqual(GRANT_BITS_MAX, 15);
  for (let bits = 0; bits <= GRANT_BITS_MAX; bits++) {
    strictEqual(grantBits(grantsOfBits(bits)), bits);
  }
  deepStrictEqual(grantsOfBits(0), []);
  deepStrictEqual(grantsOfBits(9), ["rent", "admit"]);
});

Deno.test("isWithinGrants() is the subset relation", () => {
  const sets = fc.subarray([...GRANTS]);
  fc.assert(fc.property(sets, sets, (some, all) => {
    const bits = grantBits(some);
    strictEqual(isWithinGrants(some, all), (bits & grantBits(all)) === bits);
  }));
});

Deno.test("parseGrants() never throws", () => {
  fc.assert(
    fc.property(fc.string(), (text) => strictEqual(typeof parseGrants(text).ok, "boolean")),
  );
});

Deno.test("grantedRoles() leaves what the membership includes, and nothing without it", () => {
  const both = ["relay", "provider"] as const;
  deepStrictEqual(grantedRoles(both, ["rent", "provide"]), ["provider"]);
  deepStrictEqual(grantedRoles(both, ["relay"]), ["relay"]);
  deepStrictEqual(grantedRoles(both, ["rent", "admit"]), []);
  deepStrictEqual(grantedRoles([], ["rent", "provide", "relay"]), []);
});
