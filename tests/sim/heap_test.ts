import assert from "node:assert/strict";
import fc from "fast-check";
import type { Instant } from "../../src/base/mod.ts";
import { EventHeap } from "../../src/sim/mod.ts";

const at = (ms: number) => ms as Instant;

function drained<T>(heap: EventHeap<T>): T[] {
  const out: T[] = [];
  for (let item = heap.pop(); item !== undefined; item = heap.pop()) out.push(item);
  return out;
}

Deno.test("EventHeap gives what is earliest, then the smaller lot, then what came first", () => {
  const event = fc.record({ at: fc.nat(5), lot: fc.nat(2) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const heap = new EventHeap<{ at: number; lot: number; i: number }>();
      const items = events.map((each, i) => ({ ...each, i }));
      for (const item of items) heap.push(at(item.at), item.lot, item);
      const expected = items.toSorted((a, b) => a.at - b.at || a.lot - b.lot || a.i - b.i);
      assert.deepEqual(drained(heap), expected);
    }),
  );
});

Deno.test("EventHeap keeps its order while things are put in and taken out by turns", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(9)), { maxLength: 300 }), (steps) => {
      const heap = new EventHeap<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === null) assert.equal(heap.pop(), model.shift());
        else {
          heap.push(at(step), 0, step);
          model.push(step);
          model.sort((a, b) => a - b);
        }
        assert.equal(heap.size, model.length);
        assert.equal(heap.nextAt(), model[0]);
      }
    }),
  );
});

Deno.test("EventHeap takes O(log n): a hundred times as many cost little more each", () => {
  let compared = 0;
  const counted = (ms: number) => ({ [Symbol.toPrimitive]: () => (compared++, ms) });
  const costOf = (count: number) => {
    const heap = new EventHeap<number>();
    compared = 0;
    for (let i = 0; i < count; i++) {
      heap.push(counted((i * 7_919) % count) as unknown as Instant, i, i);
    }
    drained(heap);
    return compared / count;
  };
  assert.ok(costOf(10_000) < 4 * costOf(100));
});
