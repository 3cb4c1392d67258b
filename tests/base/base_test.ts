/** Bounded maps, ids, errors, machines' timers and seeded randomness. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  after,
  BoundedMap,
  earlier,
  type ErrorCode,
  ERRORS,
  EXIT,
  type Instant,
  isAlias,
  isErrorCode,
  isId,
  isVmId,
  type NetworkId,
  type NodeId,
  OmertaError,
  peerKey,
  randomUint32,
  seededRandom,
  splitPeerKey,
  toBase32,
  unreachable,
} from "../../src/base/mod.ts";

Deno.test("a full map that evicts lets go of what was set longest ago", () => {
  const map = new BoundedMap<string, number>(2, "evict-oldest");
  assert.deepEqual([map.set("a", 1), map.set("b", 2), map.set("a", 3), map.set("c", 4)], [
    true,
    true,
    true,
    true,
  ]);
  assert.deepEqual([...map], [["a", 3], ["c", 4]]);
});

Deno.test("a full map that refuses takes no newcomer, and still changes what it has", () => {
  const map = new BoundedMap<string, number>(1, "refuse");
  assert.deepEqual([map.set("a", 1), map.set("b", 2), map.set("a", 3)], [true, false, true]);
  assert.deepEqual([...map], [["a", 3]]);
  map.delete("a");
  assert.equal(map.set("b", 2), true);
});

Deno.test("a bounded map never passes its limit, and keeps what was set last", () => {
  const step = fc.tuple(fc.boolean(), fc.nat({ max: 9 }));
  fc.assert(fc.property(fc.array(step), fc.integer({ min: 1, max: 12 }), (steps, limit) => {
    const map = new BoundedMap<number, number>(limit, "evict-oldest");
    for (const [i, [isSet, key]] of steps.entries()) {
      if (isSet) map.set(key, i);
      else map.delete(key);
      assert.ok(map.size <= limit);
      assert.equal(map.get(key), isSet ? i : undefined);
    }
  }));
});

Deno.test("a map without room for anything is a mistake", () => {
  for (const limit of [0, -1, 1.5, NaN]) {
    assert.throws(() => new BoundedMap(limit, "refuse"), RangeError);
  }
});

Deno.test("ids have their one form", () => {
  const id = toBase32(seededRandom(1).bytes(32));
  assert.equal(isId(id), true);
  for (const bad of [id.toUpperCase(), id.slice(1), `${id}a`, id.replace(/.$/, "7"), ""]) {
    assert.equal(isId(bad), false, bad);
  }
  assert.equal(isVmId(toBase32(seededRandom(1).bytes(10))), true);
  for (const bad of ["", "a".repeat(15), "a".repeat(17), "A".repeat(16), "1".repeat(16)]) {
    assert.equal(isVmId(bad), false, bad);
  }
});

Deno.test("an alias is 1 to 32 of a-z 0-9 -, and begins with no dash", () => {
  for (const good of ["a", "0", "a-b", "a".repeat(32)]) assert.equal(isAlias(good), true, good);
  for (const bad of ["", "-a", "A", "a b", "a\n", "a".repeat(33), "ä", "a_b", "a."]) {
    assert.equal(isAlias(bad), false, bad);
  }
});

Deno.test("a peer's key is taken apart as it was put together", () => {
  const parts = { network: "n".repeat(52) as NetworkId, node: "p".repeat(52) as NodeId };
  assert.deepEqual(splitPeerKey(peerKey(parts.network, parts.node)), parts);
});

Deno.test("every error has a kebab-case code, an exit status of the contract and a line about it", () => {
  const statuses = new Set<number>(Object.values(EXIT));
  for (const [code, { exit, about }] of Object.entries(ERRORS)) {
    assert.match(code, /^[a-z]+(-[a-z]+)*$/);
    assert.ok(statuses.has(exit) && exit > 0, code);
    assert.match(about, /^[^.]+$/);
    assert.equal(new OmertaError(code as ErrorCode, "x").exit, exit);
  }
  for (const other of ["", "toString", "__proto__", "Internal"]) {
    assert.equal(isErrorCode(other), false);
  }
});

Deno.test("the earlier of two timers counts, and one that is missing does not", () => {
  const at = (ms: number) => ({ at: ms as Instant, why: "test" });
  assert.equal(earlier(undefined, undefined), undefined);
  assert.deepEqual([earlier(at(1), undefined)?.at, earlier(undefined, at(2))?.at], [1, 2]);
  assert.deepEqual([earlier(at(1), at(2))?.at, earlier(at(3), at(2))?.at], [1, 2]);
  assert.equal(after(5 as Instant, 7), 12);
});

Deno.test("what cannot be says what it was", () => {
  assert.throws(() => unreachable("odd" as never), /odd/);
});

Deno.test("seeded randomness repeats itself by seed, and differs from seed to seed", () => {
  const first = (seed: number) => toBase32(seededRandom(seed).bytes(16));
  assert.equal(first(7), first(7));
  const seeds = Array.from({ length: 1_000 }, (_, i) => first(i));
  assert.equal(new Set(seeds).size, seeds.length);
});

Deno.test("seeded randomness is even enough for simulations", () => {
  const counts = new Array<number>(256).fill(0);
  for (const byte of seededRandom(3).bytes(256 * 200)) counts[byte] = (counts[byte] ?? 0) + 1;
  assert.ok(counts.every((count) => count > 100 && count < 300));
  const heads = Array.from(
    { length: 1_000 },
    (_, seed) => (seededRandom(seed).bytes(1)[0] ?? 0) >> 7,
  );
  const ones = heads.reduce((sum, bit) => sum + bit, 0);
  assert.ok(ones > 400 && ones < 600, `${ones} of 1000 first bits are set`);
});

Deno.test("a random number of 32 bits is never 0", () => {
  const pieces = [[0, 0, 0, 0], [0, 0, 0, 0], [255, 255, 255, 255]];
  const random = { bytes: () => Uint8Array.from(pieces.shift() ?? []) };
  assert.equal(randomUint32(random), 0xffff_ffff);
});
