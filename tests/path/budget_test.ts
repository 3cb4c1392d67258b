import assert from "node:assert/strict";
import {
  ADDRESSES_MAX,
  ALL_RATE,
  ANSWERED_MS,
  HOST_RATE,
  openingAllowance,
  PEER_RATE,
  PROBE_WINDOW_MS,
  ProbeBudget,
  type Shot,
} from "../../src/path/budget.ts";
import { at } from "./samples.ts";
import { asPath } from "../../src/wire/mod.ts";

const HERE = "192.0.2.1:9000";
const THERE = "192.0.2.2:9000";

/** A ping where so many within the window are allowed. */
function ping(path: string, datagrams: number, by = `peer of ${path}`): Shot {
  const allowance = datagrams === Infinity ? null : { datagrams, bytes: Infinity };
  return { path: asPath(path), by, bytes: 96, allowance };
}

/** The first message of a handshake, to an address that a record names. */
function hello(path: string, by = "somebody"): Shot {
  return { path: asPath(path), by, bytes: 1_200, allowance: openingAllowance("record", "hello") };
}

function spent(count: number, path = HERE): ProbeBudget {
  const budget = new ProbeBudget();
  for (let i = 0; i < count; i++) budget.spend(ping(path, 28), at(i));
  return budget;
}

Deno.test("ProbeBudget allows so many pings and no more within the window", () => {
  assert.equal(spent(2).refusal(ping(HERE, 3), at(10)), null);
  assert.equal(spent(3).refusal(ping(HERE, 3), at(10)), "address-spent");
  assert.equal(spent(3).refusal(ping(HERE, 4), at(10)), null);
  assert.equal(spent(3).refusal(ping(HERE, 3), at(PROBE_WINDOW_MS - 1)), "address-spent");
  assert.equal(spent(3).refusal(ping(HERE, 3), at(PROBE_WINDOW_MS)), null);
});

Deno.test("ProbeBudget counts each address by itself, and a relay's sessions as one", () => {
  assert.equal(spent(3).refusal(ping(THERE, 3), at(10)), null);
  assert.equal(
    spent(3, `${HERE}#00000001`).refusal(ping(`${HERE}#00000002`, 3), at(10)),
    "address-spent",
  );
});

Deno.test("ProbeBudget sets no limit where somebody answered lately", () => {
  const budget = spent(3);
  budget.answered(asPath(HERE), at(100));
  assert.equal(budget.refusal(ping(HERE, 0), at(99 + ANSWERED_MS)), null);
  assert.equal(budget.refusal(ping(HERE, 0), at(100 + ANSWERED_MS)), "address-spent");
});

Deno.test("ProbeBudget counts anew where somebody answered long ago", () => {
  const budget = spent(3);
  budget.answered(asPath(HERE), at(100));
  const later = at(200 + ANSWERED_MS);
  for (let i = 0; i < 3; i++) {
    assert.equal(budget.refusal(ping(HERE, 3), later), null);
    budget.spend(ping(HERE, 3), later);
  }
  assert.equal(budget.refusal(ping(HERE, 3), later), "address-spent");
});

Deno.test("ProbeBudget lets an address be opened once within the window", () => {
  const budget = new ProbeBudget();
  assert.equal(budget.open(ping(HERE, 1), at(0)), null);
  assert.equal(budget.open(ping(HERE, 1), at(1)), "opened-already");
  assert.equal(budget.open(ping(THERE, 1), at(1)), null);
  assert.equal(budget.open(ping(HERE, 1), at(PROBE_WINDOW_MS)), null);
});

Deno.test("ProbeBudget forgets nothing that counts: without room, nothing is sent", () => {
  const budget = spent(3);
  for (let i = 1; i < ADDRESSES_MAX; i++) budget.spend(ping(`192.0.2.3:${i}`, 3), at(5));
  assert.equal(
    budget.refusal(ping(HERE, 3), at(10)),
    "address-spent",
    "a victim's count begins anew",
  );
  assert.equal(budget.refusal(ping("198.51.100.1:1", 3), at(10)), "no-room");
  const later = at(PROBE_WINDOW_MS + 100);
  assert.equal(budget.refusal(ping("198.51.100.1:1", 3), later), null);
});

Deno.test("ProbeBudget gives one peer a share, and others what it leaves", () => {
  const budget = new ProbeBudget();
  const hosts = Array.from({ length: 3_000 }, (_, i) => `10.${i >> 8}.${i & 255}.1:1`);
  const reached = (by: string, nowMs: number) =>
    hosts.filter((host) => {
      const shot = ping(host, 3, by);
      if (budget.refusal(shot, at(nowMs)) !== null) return false;
      budget.spend(shot, at(nowMs));
      return true;
    }).length;
  assert.equal(reached("greedy", 0), PEER_RATE.burst);
  assert.equal(reached("greedy", 1_000), PEER_RATE.perS);
  assert.equal(reached("modest", 1_000), PEER_RATE.burst);
});

Deno.test("ProbeBudget sends one first message to where a record points, in any window", () => {
  const budget = new ProbeBudget();
  const knock = (nowMs: number) => {
    if (budget.refusal(hello(HERE), at(nowMs)) !== null) return false;
    budget.spend(hello(HERE), at(nowMs));
    return true;
  };
  assert.deepEqual([0, 1, PROBE_WINDOW_MS - 1].map(knock), [true, false, false]);
  assert.equal(knock(PROBE_WINDOW_MS), true);
  budget.answered(asPath(HERE), at(20_000));
  assert.deepEqual([20_001, 20_002].map(knock), [true, true]);
});

Deno.test("ProbeBudget counts a first message by its size: 64 pings to a host, or five of those", () => {
  const budget = new ProbeBudget();
  const knocked = ports("192.0.2.1").filter((path) => {
    if (budget.refusal(hello(path, path), at(0)) !== null) return false;
    budget.spend(hello(path, path), at(0));
    return true;
  });
  assert.equal(knocked.length, 5);
});

/** How many of `paths` get a ping each at one moment. */
function pinged(budget: ProbeBudget, paths: Iterable<string>, nowMs = 0): number {
  let count = 0;
  for (const path of paths) {
    if (budget.refusal(ping(path, 3), at(nowMs)) !== null) continue;
    budget.spend(ping(path, 3), at(nowMs));
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
  assert.equal(
    hosts.filter((host) => budget.open(ping(host, 1), at(0)) === null).length,
    ALL_RATE.burst,
  );
});

Deno.test("ProbeBudget does not bound paths of our own choice", () => {
  const budget = new ProbeBudget();
  pinged(budget, ports("192.0.2.1"));
  assert.equal(budget.refusal(ping("192.0.2.1:9", Infinity), at(0)), null);
});
