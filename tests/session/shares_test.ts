/** Nobody takes the whole of what all share: neither a source of handshakes nor a crowd of joiners. */
import assert from "node:assert/strict";
import type { Instant } from "../../src/base/mod.ts";
import { DEFAULT_LIMITS } from "../../src/session/constants.ts";
import { HandshakeLimiter } from "../../src/session/limiter.ts";
import { connected, gateOf, World } from "./world.ts";
import { asPath, pathSource } from "../../src/wire/mod.ts";

const NOW = 0 as Instant;

Deno.test("a source that invents relay sessions does not use up everybody's handshakes", () => {
  const limiter = new HandshakeLimiter(DEFAULT_LIMITS);
  let taken = 0;
  for (let i = 0; i < 10_000; i++) {
    if (
      limiter.take(pathSource(asPath(`198.51.100.1:9#${String(i).padStart(8, "0")}`)), NOW) ===
        "taken"
    ) taken++;
  }
  assert.equal(taken, DEFAULT_LIMITS.perRelayBurst);
  assert.equal(limiter.take(pathSource(asPath("203.0.113.1:9")), NOW), "taken");
  assert.equal(limiter.take(pathSource(asPath("203.0.113.1:9#00000001")), NOW), "taken");
});

Deno.test("one session of a relay does not use up what its other clients may", () => {
  const limiter = new HandshakeLimiter(DEFAULT_LIMITS);
  let taken = 0;
  for (let i = 0; i < 1_000; i++) {
    if (limiter.take(pathSource(asPath("198.51.100.1:9#00000001")), NOW) === "taken") taken++;
  }
  assert.equal(taken, DEFAULT_LIMITS.perSourceBurst);
  assert.equal(limiter.take(pathSource(asPath("198.51.100.1:9#00000002")), NOW), "taken");
});

Deno.test("joiners without end push out the oldest joiner, and no member", () => {
  const world = new World();
  const [a, admitter] = connected(world);
  const limited = world.node({ limits: { peersMax: 2, joinersMax: 2 } });
  const invite = gateOf(world.network, 9, "invite");
  limited.accept(world.gate, invite);
  a.connect(limited);
  world.run(200);
  const joiners = [world.node(), world.node(), world.node()];
  for (const joiner of joiners) {
    joiner.connect(limited, invite);
    world.run(200);
  }
  const sessions = limited.sessions.sessions(world.now).map(({ node }) => node);
  assert.deepEqual(sessions, [a.id, joiners[1]?.id, joiners[2]?.id]);
  assert.deepEqual(limited.heard("closed").map(({ peer }) => peer), [joiners[0]?.peer]);
  admitter.connect(limited);
  world.run(200);
  assert.ok(limited.sessions.has(admitter.peer), "members have room of their own");
});

Deno.test("a peer that floods its session is looked at so often and no more, the others as ever", () => {
  const world = new World();
  const node = world.node({ limits: { datagramsPerS: 10, datagramsBurst: 50 } });
  const [flooder, modest] = [world.node(), world.node()];
  for (const peer of [flooder, modest]) {
    peer.connect(node);
    world.run(200);
  }
  const heardOf = (peer: typeof flooder) =>
    node.heard("received").filter((one) => one.peer === peer.peer).length;
  for (let i = 0; i < 1_000; i++) flooder.send(node, 9);
  modest.send(node, 9);
  world.run(100);
  assert.ok(heardOf(flooder) <= 50, `${heardOf(flooder)} datagrams`);
  assert.equal(heardOf(modest), 1);
  assert.ok((node.sessions.stats().dropped["too-many"] ?? 0) >= 950);
  const before = heardOf(flooder);
  world.run(1_000);
  for (let i = 0; i < 100; i++) flooder.send(node, 9);
  world.run(100);
  assert.ok(heardOf(flooder) - before <= 12 && heardOf(flooder) > before);
});

Deno.test("a session that is made anew does not fill its peer's share again", () => {
  const world = new World();
  const node = world.node({ limits: { datagramsPerS: 0.001, datagramsBurst: 50 } });
  const flooder = world.node();
  for (let i = 0; i < 5; i++) {
    flooder.connect(node);
    world.run(200);
    for (let n = 0; n < 100; n++) flooder.send(node, 9);
    world.run(100);
  }
  assert.ok(node.heard("received").length <= 50);
});

Deno.test("forgeries use up nobody's share", () => {
  const world = new World();
  const node = world.node({ limits: { datagramsPerS: 0.001, datagramsBurst: 50 } });
  const peer = world.node();
  peer.connect(node);
  world.run(200);
  peer.send(node, 9);
  const forged = peer.heard("transmit").at(-1)?.bytes.with(-1, 0);
  assert.ok(forged);
  for (let i = 0; i < 1_000; i++) world.inject(node, peer.address, forged);
  assert.equal(node.sessions.stats().dropped["bad-tag"], 1_000);
  world.run(100);
  assert.equal(node.heard("received").length, 1);
});
