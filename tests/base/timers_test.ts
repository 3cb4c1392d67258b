import assert from "node:assert/strict";
import fc from "fast-check";
import { type Instant, Timers } from "../../src/base/mod.ts";

const at = (ms: number) => ms as Instant;

/** All that is due, in the order in which it is taken. */
const takeAll = (timers: Timers<string>, now: number): string[] => {
  const due: string[] = [];
  for (let key = timers.takeDue(at(now)); key !== undefined; key = timers.takeDue(at(now))) {
    due.push(key);
  }
  return due;
};

Deno.test("a deadline is due at its moment, once, and not before", () => {
  const timers = new Timers<string>();
  timers.set("a", at(10), "test");
  assert.deepEqual(timers.next(), { at: 10, why: "test" });
  assert.deepEqual([takeAll(timers, 9), takeAll(timers, 10), takeAll(timers, 99)], [[], ["a"], []]);
  assert.equal(timers.next(), undefined);
});

Deno.test("a deadline that is set anew counts alone, with its reason, and one that is cleared not", () => {
  const timers = new Timers<string>();
  timers.set("a", at(10), "first");
  timers.set("a", at(10), "the same moment");
  assert.equal(timers.next()?.why, "the same moment");
  timers.set("a", at(30), "later");
  timers.set("b", at(20), "test");
  timers.clear("b");
  assert.deepEqual(timers.next(), { at: 30, why: "later" });
  assert.deepEqual(takeAll(timers, 29), []);
  timers.set("a", at(5), "earlier");
  assert.deepEqual([takeAll(timers, 29), takeAll(timers, 99)], [["a"], []]);
});

const ACT = fc.oneof(
  { weight: 5, arbitrary: fc.record({ key: fc.integer({ min: 0, max: 19 }), ms: fc.nat(1_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ key: fc.integer({ min: 0, max: 19 }), ms: fc.constant(null) }),
  },
  { weight: 1, arbitrary: fc.record({ key: fc.constant(null), ms: fc.nat(20) }) },
);

Deno.test("whatever is set, cleared and taken, the earliest comes first and none is lost", () => {
  fc.assert(
    fc.property(fc.array(ACT, { maxLength: 600, size: "max" }), (acts) => {
      const timers = new Timers<number>();
      const model = new Map<number, number>();
      const take = (now: number) => {
        for (;;) {
          const earliest = Math.min(...model.values());
          assert.equal(timers.next()?.at ?? Infinity, earliest);
          const key = timers.takeDue(at(now));
          assert.equal(key !== undefined, earliest <= now);
          if (key === undefined) return;
          assert.equal(model.get(key), earliest);
          model.delete(key);
        }
      };
      for (const { key, ms } of acts) {
        if (key === null) take(ms);
        else if (ms === null) {
          timers.clear(key);
          model.delete(key);
        } else {
          timers.set(key, at(ms), "test");
          model.set(key, ms);
        }
      }
      take(1_000);
    }),
    { numRuns: 100 },
  );
});

Deno.test("what was replaced is not kept without end: it costs the next deadline nothing", () => {
  const timers = new Timers<string>();
  let looks = 0;
  /** An instant that counts how often it is compared. */
  const counted = (ms: number) => {
    const valueOf = () => {
      looks++;
      return ms;
    };
    return { valueOf } as unknown as Instant;
  };
  for (let ms = 1; ms <= 10_000; ms++) timers.set("resend", counted(ms), "test");
  looks = 0;
  assert.equal(timers.takeDue(at(10_000)), "resend");
  assert.ok(looks < 1_000, `${looks} comparisons`);
});
