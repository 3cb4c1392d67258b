/** A member that forges sources aims nobody's answers at a victim: only what answered is proven. */
import assert from "node:assert/strict";
import { HANDSHAKE_TIMEOUT_MS, REKEY_AFTER_MS } from "../../src/session/constants.ts";
import { bytes, connected, type Node, World } from "./world.ts";
import { asPath } from "../../src/wire/mod.ts";

const VICTIM = asPath("198.51.100.66:53");

/** What went to the victim, by type. */
function aimed(world: World): number[] {
  return world.wire.filter(({ to }) => to === VICTIM).map(({ bytes }) => bytes[3] ?? 0);
}

/** A handshake whose third message and first datagram come as if from the victim. */
function finishFromVictim(world: World): [Node, Node] {
  const [a, b] = [world.node(), world.node()];
  world.filter = ({ to, bytes }) => to !== b.address || bytes[3] === 1;
  a.connect(b);
  world.run(100);
  world.inject(b, VICTIM, world.last(3, b.address));
  world.inject(b, VICTIM, world.last(8, b.address));
  return [a, b];
}

Deno.test("a finish from elsewhere proves the path on which the hello was answered", () => {
  const world = new World();
  const [a, b] = finishFromVictim(world);
  const [up] = b.heard("established");
  assert.deepEqual([up?.path, up?.proven], [a.address, true]);
});

Deno.test("a hello is answered where it came from first", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  world.filter = () => false;
  a.connect(b);
  const hello = world.last(1, b.address);
  assert.equal(world.inject(b, a.address, hello).length, 1);
  assert.equal(world.inject(b, VICTIM, hello).length, 0);
  assert.equal(b.sessions.stats().dropped["answered-elsewhere"], 1);
});

Deno.test("a hello that was answered at two places proves neither", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  world.filter = ({ to }) => to !== b.address;
  a.connect(b);
  const hello = world.last(1, b.address);
  world.inject(b, VICTIM, hello);
  world.run(1_000);
  world.inject(b, a.address, hello);
  world.run(100);
  world.inject(b, VICTIM, world.last(3, b.address));
  world.inject(b, VICTIM, world.last(8, b.address));
  const [up] = b.heard("established");
  assert.deepEqual([up?.path, up?.proven], [VICTIM, false]);
});

Deno.test("a session is not renewed at the source of what came last", () => {
  const world = new World();
  const [a, b] = connected(world);
  b.send(a, 9, 1);
  world.inject(a, VICTIM, world.last(8, a.address));
  assert.equal(a.sessions.pathOf(b.peer), VICTIM);
  world.run(REKEY_AFTER_MS + HANDSHAKE_TIMEOUT_MS);
  assert.deepEqual(aimed(world), []);
  assert.equal(a.sessions.stats().established, 2, "renewed where it was begun");
});

Deno.test("a ping to where a peer only may be does not turn the session there", () => {
  const world = new World();
  const [a, b] = connected(world);
  a.send(b, 9, 1);
  a.take({ type: "send", peer: b.peer, path: VICTIM, payload: bytes(1, ...new Uint8Array(63)) });
  world.run(REKEY_AFTER_MS + 1_000);
  assert.deepEqual(aimed(world), [8], "the ping alone");
});

Deno.test("a session is renewed where its peer was proven to be", () => {
  const world = new World();
  const [a, b] = connected(world);
  a.send(b, 9, 1);
  a.take({ type: "moved", peer: b.peer, path: VICTIM });
  world.run(REKEY_AFTER_MS + 100);
  assert.deepEqual(aimed(world), [1]);
});
