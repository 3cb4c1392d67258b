import { asPath } from "../../src/wire/mod.ts";
import assert from "node:assert/strict";
import type { Instant } from "../../src/base/mod.ts";
import { OPENER_TTL, PUNCH_SCHEDULE_MS } from "../../src/path/constants.ts";
import { Punch } from "../../src/path/punch.ts";

const at = (ms: number) => ms as Instant;
const A = { path: asPath("192.0.2.1:1"), probesMax: PUNCH_SCHEDULE_MS.length, windowProbesMax: 28 };
const B = { path: asPath("192.0.2.2:2"), probesMax: 3, windowProbesMax: 3 };
const shot = ({ path, windowProbesMax }: typeof A, ttl: number) => {
  return { path, ttl, windowProbesMax };
};

Deno.test("Punch opens towards every target with a short life", () => {
  const openers = new Punch([A, B], at(100)).openers();
  assert.deepEqual(openers, [shot(A, OPENER_TTL), shot(B, OPENER_TTL)]);
});

Deno.test("Punch follows its schedule from the start that was agreed on", () => {
  const punch = new Punch([A], at(100));
  assert.deepEqual(punch.due(at(99)), []);
  for (const offset of PUNCH_SCHEDULE_MS) {
    assert.equal(punch.dueAt(), 100 + offset);
    assert.deepEqual(punch.due(at(100 + offset)), [shot(A, 0)]);
    assert.deepEqual(punch.due(at(100 + offset)), []);
  }
  assert.equal(punch.dueAt(), undefined);
});

Deno.test("Punch gives a target no more than its budget, and the others theirs", () => {
  const punch = new Punch([A, B], at(0));
  const shots = PUNCH_SCHEDULE_MS.flatMap((offset) => punch.due(at(offset)));
  const count = (address: string) => shots.filter((shot) => shot.path === address).length;
  assert.deepEqual([count(A.path), count(B.path)], [A.probesMax, B.probesMax]);
});

Deno.test("Punch that was woken too late makes up for nothing beyond the budget", () => {
  const punch = new Punch([B], at(0));
  assert.equal(punch.due(at(60_000)).length, B.probesMax);
  assert.equal(punch.dueAt(), undefined);
});
