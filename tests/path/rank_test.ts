import assert from "node:assert/strict";
import fc from "fast-check";
import type { Path } from "../../src/base/mod.ts";
import { choosePaths } from "../../src/path/rank.ts";
import { MISSES_DOUBT } from "../../src/path/constants.ts";
import type { PathState } from "../../src/path/peer_paths.ts";
import { at, pathState } from "./samples.ts";
import { asPath } from "../../src/wire/mod.ts";

const D1 = asPath("192.0.2.1:9000");
const D2 = asPath("192.0.2.2:9000");
const R1 = asPath("198.51.100.1:9000#00000001");
const R2 = asPath("198.51.100.2:9000#00000002");

const path = (name: string, rttMs: number | null, misses = 0) => pathState(name, { rttMs, misses });
const tried = (name: string) => pathState(name, { provenAt: null });

interface Row {
  readonly what: string;
  readonly paths: readonly PathState[];
  readonly current: Path | null;
  readonly active: string | null;
  readonly standby: string | null;
}

const TABLE: readonly Row[] = [
  { what: "no path", paths: [], current: null, active: null, standby: null },
  {
    what: "a path that is only tried",
    paths: [tried(D1)],
    current: null,
    active: null,
    standby: null,
  },
  { what: "one path", paths: [path(R1, 20)], current: null, active: R1, standby: null },
  {
    what: "relayed, then direct as well",
    paths: [path(R1, 20), path(D1, 20)],
    current: R1,
    active: D1,
    standby: R1,
  },
  {
    what: "a direct one just tried",
    paths: [path(R1, 20), tried(D1)],
    current: R1,
    active: R1,
    standby: null,
  },
  {
    what: "a direct one somewhat slower than the relayed",
    paths: [path(R1, 20), path(D1, 40)],
    current: R1,
    active: D1,
    standby: R1,
  },
  {
    what: "a direct one much slower than the relayed",
    paths: [path(R1, 20), path(D1, 200)],
    current: R1,
    active: R1,
    standby: D1,
  },
  {
    what: "a direct one that became much slower",
    paths: [path(R1, 20), path(D1, 200)],
    current: D1,
    active: R1,
    standby: D1,
  },
  {
    what: "a direct one that is slower by a hair, held",
    paths: [path(R1, 20), path(D1, 51)],
    current: D1,
    active: D1,
    standby: R1,
  },
  {
    what: "a direct one that is quicker by a hair, not held",
    paths: [path(R1, 20), path(D1, 49)],
    current: R1,
    active: R1,
    standby: D1,
  },
  {
    what: "another direct one quicker by a hair",
    paths: [path(D1, 20), path(D2, 18)],
    current: D1,
    active: D1,
    standby: D2,
  },
  {
    what: "another direct one quicker by a small share",
    paths: [path(D1, 200), path(D2, 190)],
    current: D1,
    active: D1,
    standby: D2,
  },
  {
    what: "another direct one quicker by a large share of little",
    paths: [path(D1, 10), path(D2, 6)],
    current: D1,
    active: D1,
    standby: D2,
  },
  {
    what: "another direct one much quicker",
    paths: [path(D1, 40), path(D2, 10)],
    current: D1,
    active: D2,
    standby: D1,
  },
  {
    what: "one miss of the held path",
    paths: [path(D1, 10, 1), path(R1, 20)],
    current: D1,
    active: D1,
    standby: R1,
  },
  {
    what: "doubt about the held path",
    paths: [path(D1, 10, MISSES_DOUBT), path(R1, 20)],
    current: D1,
    active: R1,
    standby: D1,
  },
  {
    what: "doubt about all",
    paths: [path(D1, 10, 2), path(R1, 20, 2)],
    current: R1,
    active: D1,
    standby: R1,
  },
  {
    what: "a held path whose time is not known yet",
    paths: [path(R1, null)],
    current: R1,
    active: R1,
    standby: null,
  },
  {
    what: "a second of the other kind",
    paths: [path(D1, 10), path(D2, 11), path(R1, 90)],
    current: D1,
    active: D1,
    standby: R1,
  },
  {
    what: "a second of the other kind in doubt",
    paths: [path(D1, 10), path(D2, 11), path(R1, 20, 2)],
    current: D1,
    active: D1,
    standby: D2,
  },
  {
    what: "two relayed ones",
    paths: [path(R1, 20), path(R2, 30)],
    current: R1,
    active: R1,
    standby: R2,
  },
  {
    what: "a current path that is gone",
    paths: [path(R1, 20)],
    current: D1,
    active: R1,
    standby: null,
  },
  {
    what: "equals, in either order",
    paths: [path(D2, 10), path(D1, 10)],
    current: null,
    active: D1,
    standby: D2,
  },
];

for (const { what, paths, current, active, standby } of TABLE) {
  Deno.test(`choosePaths() given ${what} takes ${active ?? "none"}`, () => {
    assert.deepEqual(choosePaths(paths, current), { active, standby });
  });
}

const states = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(D1, D2, R1, R2, "[2001:db8::1]:9000"),
    rttMs: fc.option(fc.integer({ min: 0, max: 2_000 })),
    misses: fc.nat({ max: 3 }),
    isProven: fc.boolean(),
  }),
  { selector: ({ name }) => name },
);

Deno.test("choosePaths() takes proven paths only, two different ones, the healthy first", () => {
  fc.assert(fc.property(states, fc.option(fc.constantFrom(D1, R1)), (rows, current) => {
    const paths = rows.map(({ name, rttMs, misses, isProven }) =>
      pathState(name, { rttMs, misses, provenAt: isProven ? at(0) : null })
    );
    const choice = choosePaths(paths, current);
    const proven = new Map(paths.filter((p) => p.provenAt !== null).map((p) => [p.path, p]));
    assert.equal(choice.active !== null, proven.size > 0);
    assert.equal(choice.standby !== null, proven.size > 1);
    assert.ok(choice.active === null || choice.active !== choice.standby);
    const healthy = [...proven.values()].filter((p) => p.misses < MISSES_DOUBT).length;
    const isHealthy = (name: string | null) =>
      (proven.get(asPath(name ?? ""))?.misses ?? 9) < MISSES_DOUBT;
    if (healthy > 0) assert.ok(isHealthy(choice.active));
    if (healthy > 1) assert.ok(isHealthy(choice.standby));
  }));
});

Deno.test("choosePaths() stays with its choice while nothing changes", () => {
  fc.assert(fc.property(states, (rows) => {
    const paths = rows.map(({ name, rttMs, misses }) => pathState(name, { rttMs, misses }));
    const first = choosePaths(paths, null);
    assert.deepEqual(choosePaths(paths, first.active), first);
  }));
});
