/**
 * The helper under a KVM that works, in a machine inside an emulated machine: see
 * `ffi/vm/tests/nested`.
 */
import assert from "node:assert/strict";
import { parseAnswer, parseVerdict } from "../../../src/host/vm/helper.ts";
import { say, testUnless } from "../scratch.ts";
import { nested, nestedObstacle } from "./vm_rig.ts";

testUnless(
  nestedObstacle(),
  "under a KVM that works the probe says so, for root, a user, and root that may not mount",
  async () => {
    const lines = await nested();
    const verdicts = Object.fromEntries(lines.filter((line) => line.includes("{")).map(verdictOf));
    assert.deepEqual(verdicts["root"], ["kvm", "full", []]);
    assert.deepEqual(verdicts["user"], ["kvm", "full", []]);
    assert.deepEqual(verdicts["no-mounts"], ["kvm", "landlock", ["private-root"]]);
  },
);

function verdictOf(line: string): [string, unknown] {
  const [who = "", ...rest] = line.trim().split(" ");
  const verdict = parseVerdict(parseAnswer(rest.join(" ")));
  say(`  ${who}: booted in ${verdict.bootMs} ms`);
  return [who, [verdict.accel, verdict.level, verdict.missing]];
}
