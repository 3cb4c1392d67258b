import assert from "node:assert/strict";
import fc from "fast-check";
import { Bucket, Buckets, type Instant } from "../../src/base/mod.ts";

const at = (ms: number) => ms as Instant;
const RATE = { perS: 10, burst: 3 };

Deno.test("a bucket gives its burst at once, and then what comes by the second", () => {
  const bucket = new Bucket(RATE, at(0));
  const taken = (ms: number) => Array.from({ length: 5 }, () => bucket.take(1, at(ms)));
  assert.deepEqual(taken(0), [true, true, true, false, false]);
  assert.deepEqual(taken(200), [true, true, false, false, false]);
  assert.deepEqual(taken(60_000), [true, true, true, false, false]);
});

Deno.test("a bucket gives the whole of what is asked, or nothing of it", () => {
  const bucket = new Bucket(RATE, at(0));
  assert.deepEqual([bucket.take(4, at(0)), bucket.take(3, at(0))], [false, true]);
  assert.deepEqual([bucket.has(0, at(0)), bucket.has(1, at(0))], [true, false]);
});

Deno.test("a bucket gives nothing for a clock that goes back", () => {
  const bucket = new Bucket(RATE, at(1_000));
  assert.ok(bucket.take(3, at(1_000)));
  assert.equal(bucket.take(1, at(0)), false);
});

Deno.test("no sequence gets more out of a bucket than its burst and its rate", () => {
  const steps = fc.array(fc.tuple(fc.nat({ max: 500 }), fc.nat({ max: 3 })), { maxLength: 100 });
  fc.assert(fc.property(steps, (all) => {
    const bucket = new Bucket(RATE, at(0));
    let [now, given] = [0, 0];
    for (const [waitMs, cost] of all) {
      now += waitMs;
      if (bucket.take(cost, at(now))) given += cost;
      assert.ok(given <= RATE.burst + now / 1_000 * RATE.perS + 1e-6);
    }
  }));
});

Deno.test("buckets are each key's own", () => {
  const buckets = new Buckets<string>(RATE, 10);
  assert.deepEqual([buckets.take("a", 3, at(0)), buckets.take("a", 1, at(0))], [true, false]);
  assert.deepEqual([buckets.has("b", 3, at(0)), buckets.take("b", 3, at(0))], [true, true]);
});

Deno.test("nobody gets a full bucket anew by filling the table with others", () => {
  const buckets = new Buckets<string>(RATE, 4);
  assert.ok(buckets.take("a", 3, at(0)));
  for (let i = 0; i < 100; i++) buckets.take(`b${i}`, 1, at(0));
  assert.equal(buckets.take("a", 1, at(0)), false);
  assert.equal(buckets.take("late", 1, at(0)), false, "no room: the newcomer gets nothing");
});

Deno.test("a bucket that is full again gives way to a newcomer", () => {
  const buckets = new Buckets<string>(RATE, 2);
  for (const key of ["a", "b"]) assert.ok(buckets.take(key, 3, at(0)));
  assert.equal(buckets.take("c", 1, at(299)), false);
  assert.equal(buckets.take("c", 1, at(300)), true);
});

Deno.test("a clock that stands or goes back takes nothing from a bucket", () => {
  const bucket = new Bucket({ perS: 1, burst: 2 }, 1_000 as Instant);
  assert.ok(bucket.take(1, 1_000 as Instant));
  assert.ok(bucket.take(1, 0 as Instant));
});
