import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  GRANT_BITS_MAX,
  grantBits,
  grantedRoles,
  GRANTS,
  grantsOfBits,
  isWithinGrants,
} from "../../src/membership/mod.ts";

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

Deno.test("grantedRoles() leaves what the membership includes, and nothing without it", () => {
  const both = ["relay", "provider"] as const;
  deepStrictEqual(grantedRoles(both, ["rent", "provide"]), ["provider"]);
  deepStrictEqual(grantedRoles(both, ["relay"]), ["relay"]);
  deepStrictEqual(grantedRoles(both, ["rent", "admit"]), []);
  deepStrictEqual(grantedRoles([], ["rent", "provide", "relay"]), []);
});
