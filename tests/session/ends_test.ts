/** What the end of a session leaves behind: a farewell wherever the peer may be, and no keys. */
import assert from "node:assert/strict";
import { NoiseHandshake } from "../../src/crypto/mod.ts";
import { connected, World } from "./world.ts";
import { asPath } from "../../src/wire/mod.ts";

Deno.test("a farewell goes to where we send and to where the peer was heard last", () => {
  const world = new World();
  const [a, b] = connected(world);
  const elsewhere = "198.51.100.7:1";
  b.send(a, 9);
  const last = b.heard("transmit").at(-1)?.bytes;
  assert.ok(last);
  world.filter = () => false;
  world.inject(a, asPath(elsewhere), last);
  const out = a.take({ type: "close", peer: b.peer });
  const told = out.flatMap((output) => output.type === "transmit" ? [output.path] : []);
  assert.deepEqual(told.toSorted(), [b.address, elsewhere].toSorted());
});

Deno.test("the keys of a session that ended are overwritten", () => {
  const split = NoiseHandshake.prototype.split;
  const made: ReturnType<typeof split>[] = [];
  NoiseHandshake.prototype.split = function () {
    const keys = split.call(this);
    made.push(keys);
    return keys;
  };
  try {
    const world = new World();
    const [a, b] = connected(world);
    assert.equal(made.length, 2);
    const isWiped = () =>
      made.map(({ send, receive }) => [...send, ...receive].every((n) => n === 0));
    assert.deepEqual(isWiped(), [false, false]);
    a.take({ type: "close", peer: b.peer });
    world.run(1_000);
    assert.deepEqual(isWiped(), [true, true]);
  } finally {
    NoiseHandshake.prototype.split = split;
  }
});
