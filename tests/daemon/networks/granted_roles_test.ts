import assert from "node:assert/strict";
import { grantedRoles } from "../../../src/daemon/networks/networks.ts";

Deno.test("grantedRoles() leaves what the membership includes, and nothing without it", () => {
  const both = ["relay", "provider"] as const;
  assert.deepEqual(grantedRoles(both, ["rent", "provide"]), ["provider"]);
  assert.deepEqual(grantedRoles(both, ["relay"]), ["relay"]);
  assert.deepEqual(grantedRoles(both, ["rent", "admit"]), []);
  assert.deepEqual(grantedRoles([], ["rent", "provide", "relay"]), []);
});
