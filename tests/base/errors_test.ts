/** Codes and exit statuses: scripts rely on them, so that each stands here a second time. */
import assert from "node:assert/strict";
import { ERRORS, isErrorCode, OmertaError } from "../../src/base/mod.ts";

/** Source: the command line's contract. */
const CODES: Readonly<Record<number, string>> = {
  1: "internal",
  2: "usage bad-invite bad-size bad-ssh-key",
  3: "not-found ambiguous no-network",
  4: "no-node",
  5: "unreachable no-provider no-relay",
  6: "refused not-allowed provider-full not-owner not-member invite-expired invite-used-up " +
    "invite-revoked invite-unknown invite-unreachable",
  7: "timeout lease-ended",
  8: "port-taken node-running node-busy exists",
  9: "state-damaged key-mode image-corrupt native-damaged vm-failed",
  10: "qemu-missing ssh-missing image-missing disk-full unsupported weak-isolation",
};

Deno.test("every code has the exit status that scripts know it by", () => {
  for (const [exit, codes] of Object.entries(CODES)) {
    for (const code of codes.split(" ")) {
      assert.ok(isErrorCode(code), code);
      assert.equal(new OmertaError(code, "x").exit, Number(exit), code);
    }
  }
  const known = Object.values(CODES).flatMap((codes) => codes.split(" "));
  assert.deepEqual(Object.keys(ERRORS).toSorted(), known.toSorted());
});
