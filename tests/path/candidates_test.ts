import assert from "node:assert/strict";
import type { AddressScope } from "../../src/wire/mod.ts";
import { admissibleTargets, type Candidate } from "../../src/path/candidates.ts";
import {
  CANDIDATES_MAX,
  PUNCH_SCHEDULE_MS,
  UNVOUCHED_PROBES_MAX,
  VOUCHED_ATTEMPTS_MAX,
} from "../../src/path/constants.ts";

const ALL = PUNCH_SCHEDULE_MS.length;
const FEW = UNVOUCHED_PROBES_MAX;

/** Probes by who knows the address: nobody, a relay, our own interfaces, both; 0 is "not tried". */
const TABLE: Readonly<
  Record<`${AddressScope}${"" | " from loopback"}`, readonly [number, number, number, number]>
> = {
  "global": [FEW, ALL, ALL, ALL],
  "global from loopback": [FEW, ALL, ALL, ALL],
  "private": [0, ALL, ALL, ALL],
  "private from loopback": [0, ALL, ALL, ALL],
  "cgnat": [0, ALL, ALL, ALL],
  "cgnat from loopback": [0, ALL, ALL, ALL],
  "loopback": [0, 0, 0, 0],
  "loopback from loopback": [FEW, ALL, ALL, ALL],
  "link-local": [0, 0, 0, 0],
  "link-local from loopback": [0, 0, 0, 0],
  "unusable": [0, 0, 0, 0],
  "unusable from loopback": [0, 0, 0, 0],
};

for (const [name, probes] of Object.entries(TABLE)) {
  const [scope = "", loopback] = name.split(" from ");
  for (const [i, expected] of probes.entries()) {
    const [vouched, attached] = [(i & 1) > 0, (i & 2) > 0];
    const how = `${vouched ? "vouched" : "unvouched"}, ${attached ? "attached" : "not attached"}`;
    Deno.test(`a candidate that is ${name}, ${how}, gets ${expected} probes`, () => {
      const address = "192.0.2.1:9000";
      const candidate = { address, scope: scope as AddressScope, vouched, attached };
      const targets = admissibleTargets([candidate], { loopback: loopback !== undefined });
      const windowProbesMax = expected === FEW ? FEW : expected * VOUCHED_ATTEMPTS_MAX;
      const target = { address, probesMax: expected, windowProbesMax };
      assert.deepEqual(targets, expected === 0 ? [] : [target]);
    });
  }
}

const candidate = (i: number, scope: AddressScope = "global"): Candidate => {
  return { address: `192.0.2.${i}:9000`, scope, vouched: false, attached: false };
};

Deno.test("no more candidates are tried than the limit says, in the order given", () => {
  const many = Array.from({ length: CANDIDATES_MAX + 5 }, (_, i) => candidate(i));
  const targets = admissibleTargets(many, { loopback: false });
  const expected = many.slice(0, CANDIDATES_MAX).map(({ address }) => address);
  assert.deepEqual(targets.map(({ address }) => address), expected);
});

Deno.test("candidates that may not be tried take no place from others", () => {
  const useless = Array.from({ length: 50 }, (_, i) => candidate(i, "link-local"));
  const targets = admissibleTargets([...useless, candidate(99)], { loopback: false });
  assert.deepEqual(targets.map(({ address }) => address), ["192.0.2.99:9000"]);
});
