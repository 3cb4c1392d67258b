import assert from "node:assert/strict";
import {
  ADDRESSES_MAX,
  ALL_RATE,
  ANSWERED_MS,
  HOST_RATE,
  PROBE_WINDOW_MS,
  ProbeBudget,
} from "../../src/path/budget.ts";
import { at } from "./samples.ts";

const HERE = "192.0.2.1:9000";
const THERE = "192.0.2.2:9000";

function spent(count: number, path = HERE): ProbeBudget {
  const budget = new ProbeBudget();
  for (let i = 0; i < count; i++) budget.spend(path, at(i));
  return budget;
}

Deno.test("ProbeBudget allows so many pings and no more within the window", () => {
  assert.equal(spent(2).allows(HERE, 3, at(10)), true);
  assert.equal(spent(3).allows(HERE, 3, at(10)), false);
  assert.equal(spent(3).allows(HERE, 4, at(10)), true);
  assert.equal(spent(3).allows(HERE, 3, at(PROBE_WINDOW_MS - 1)), false);
  assert.equal(spent(3).allows(HERE, 3, at(PROBE_WINDOW_MS)), true);
});

Deno.test("ProbeBudget counts each address by itself, and a relay's sessions as one", () => {
  assert.equal(spent(3).allows(THERE, 3, at(10)), true);
  assert.equal(spent(3, `${HERE}#00000001`).allows(`${HERE}#00000002`, 3, at(10)), false);
});

Deno.test("ProbeBudget sets no limit where somebody answered lately", () => {
  const budget = spent(3);
  budget.answered(HERE, at(100));
  assert.equal(budget.allows(HERE, 0, at(99 + ANSWERED_MS)), true);
  assert.equal(budget.allows(HERE, 0, at(100 + ANSWERED_MS)), false);
});

Deno.test("ProbeBudget counts anew where somebody answered long ago", () => {
  const budget = spent(3);
  budget.answered(HERE, at(100));
  const later = at(200 + ANSWERED_MS);
  for (let i = 0; i < 3; i++) {
    assert.equal(budget.allows(HERE, 3, later), true);
    budget.spend(HERE, later);
  }
  assert.equal(budget.allows(HERE, 3, later), false);
});

Deno.test("ProbeBudget lets an address be opened once within the window", () => {
  const budget = new ProbeBudget();
  assert.equal(budget.open(HERE, at(0)), true);
  assert.equal(budget.open(HERE, at(1)), false);
  assert.equal(budget.open(THERE, at(1)), true);
  assert.equal(budget.open(HERE, at(PROBE_WINDOW_MS)), true);
});

Deno.test("ProbeBudget forgets the oldest address beyond its limit", () => {
  const budget = spent(3);
  for (let i = 0; i < ADDRESSES_MAX; i++) budget.spend(`192.0.2.3:${i + 1}`, at(5));
  assert.equal(budget.allows(HERE, 3, at(10)), true);
  assert.equal(budget.allows("192.0.2.3:1", 1, at(10)), false);
});

/** How many of `paths` get a ping each at one moment. */
function pinged(budget: ProbeBudget, paths: Iterable<string>, nowMs = 0): number {
  let count = 0;
  for (const path of paths) {
    if (!budget.allows(path, 3, at(nowMs))) continue;
    budget.spend(path, at(nowMs));
    count++;
  }
  return count;
}

const ports = (host: string) => Array.from({ length: 60_000 }, (_, i) => `${host}:${i + 1}`);

Deno.test("ProbeBudget takes all ports of a host for one victim, and a /64 too", () => {
  const budget = new ProbeBudget();
  assert.equal(pinged(budget, ports("192.0.2.1")), HOST_RATE.burst);
  assert.equal(pinged(budget, ports("192.0.2.1"), 10_000), 10 * HOST_RATE.perS);
  assert.equal(pinged(budget, ports("[2001:db8::1]")), HOST_RATE.burst);
  assert.equal(pinged(budget, ports("[2001:db8::2]")), 0);
  assert.equal(pinged(budget, [THERE]), 1);
});

Deno.test("ProbeBudget bounds what all hosts get together, openers too", () => {
  const hosts = Array.from({ length: 3_000 }, (_, i) => `10.${i >> 8}.${i & 255}.1:1`);
  assert.equal(pinged(new ProbeBudget(), hosts), ALL_RATE.burst);
  const budget = new ProbeBudget();
  assert.equal(hosts.filter((host) => budget.open(host, at(0))).length, ALL_RATE.burst);
});

Deno.test("ProbeBudget does not bound paths of our own choice", () => {
  const budget = new ProbeBudget();
  pinged(budget, ports("192.0.2.1"));
  assert.equal(budget.allows("192.0.2.1:9", Infinity, at(0)), true);
});
