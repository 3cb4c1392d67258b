/** Nobody takes the whole of what all share: neither a source of handshakes nor a crowd of joiners. */
import assert from "node:assert/strict";
import type { Instant } from "../../src/base/mod.ts";
import { DEFAULT_LIMITS } from "../../src/session/constants.ts";
import { HandshakeLimiter } from "../../src/session/limiter.ts";
import { connected, gateOf, World } from "./world.ts";

const NOW = 0 as Instant;

Deno.test("a source that invents relay sessions does not use up everybody's handshakes", () => {
  const limiter = new HandshakeLimiter(DEFAULT_LIMITS);
  let taken = 0;
  for (let i = 0; i < 10_000; i++) {
    if (limiter.take(`198.51.100.0/24#${i}`, NOW) === "taken") taken++;
  }
  assert.equal(taken, DEFAULT_LIMITS.perRelayBurst);
  assert.equal(limiter.take("203.0.113.0/24", NOW), "taken");
  assert.equal(limiter.take("203.0.113.0/24#1", NOW), "taken");
});

Deno.test("one session of a relay does not use up what its other clients may", () => {
  const limiter = new HandshakeLimiter(DEFAULT_LIMITS);
  let taken = 0;
  for (let i = 0; i < 1_000; i++) {
    if (limiter.take("198.51.100.0/24#1", NOW) === "taken") taken++;
  }
  assert.equal(taken, DEFAULT_LIMITS.perSourceBurst);
  assert.equal(limiter.take("198.51.100.0/24#2", NOW), "taken");
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
