/** Slow, lossy and suddenly slow ways: satellites, full buffers, loaded machines. */
import assert from "node:assert/strict";
import { type Host, World } from "./world.ts";

/** Two hosts with a session over a way of that round trip. */
function pair(rttMs: number, loss = 0, seed = 1): { world: World; a: Host; b: Host } {
  const world = new World(seed);
  setWay(world, rttMs, loss);
  const [a, b] = [world.host(), world.host()];
  a.connect(b);
  world.run(10_000);
  assert.ok(a.machine.view.isConnected(b.peer), "no session");
  return { world, a, b };
}

function setWay(world: World, rttMs: number, loss = 0): void {
  world.weather = { loss, duplication: 0, delayMs: { min: rttMs / 2, max: rttMs / 2 } };
}

/** Nobody was lost, and both know the round trip by now. */
function assertLives({ a, b }: { a: Host; b: Host }, now: World["now"], rttMs: number): void {
  for (const [end, other] of [[a, b], [b, a]] as const) {
    assert.deepEqual(end.heard("peer-down"), []);
    const [path] = end.machine.view.pathsOf(other.peer, now);
    assert.ok(path?.rttMs, "no round trip is known");
    assert.ok(Math.abs(path.rttMs - rttMs) < rttMs / 4, `${path.rttMs} ms`);
  }
}

for (const rttMs of [380, 420, 700, 1_500, 3_000]) {
  Deno.test(`a session lives over a round trip of ${rttMs} ms, also when it is busy`, () => {
    const { world, a, b } = pair(rttMs);
    world.run(60_000);
    a.take({ type: "use", peer: b.peer, use: "test", demand: "busy" });
    world.run(60_000);
    assertLives({ a, b }, world.now, rttMs);
  });
}

for (const [before, since] of [[50, 500], [10, 2_000], [700, 3_000], [2_000, 20]] as const) {
  Deno.test(`a path that goes from ${before} to ${since} ms at once keeps its session`, () => {
    for (const demand of ["hold", "warm", "busy"] as const) {
      const { world, a, b } = pair(before);
      a.take({ type: "use", peer: b.peer, use: "test", demand });
      world.run(30_000);
      setWay(world, since);
      world.run(300_000);
      assertLives({ a, b }, world.now, since);
    }
  });
}

Deno.test("700 ms and a loss of 2 %: handshakes, calls and sessions over relays, with any seed", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { world, a, b } = pair(700, 0.02, seed);
    a.take({ type: "use", peer: b.peer, use: "test", demand: "busy" });
    const calls: number[] = [];
    for (let i = 0; i < 30; i++) {
      calls.push(a.call(b, "ping", {}));
      world.run(2_000);
    }
    world.run(10_000);
    assert.ok(calls.every((token) => a.result(token)?.ok), `seed ${seed}: a call failed`);
    assertLives({ a, b }, world.now, 700);
  }
});

Deno.test("a call's pieces are not all sent again while a slow path brings the first", () => {
  const { world, a, b } = pair(700);
  a.call(b, "ping", {});
  world.run(10_000);
  const before = [a, b].map((host) => host.heard("transmit").length);
  a.call(b, "renew", { c: new Uint8Array(900) });
  world.run(690);
  const [sent = 0] = [a, b].map((host, i) => host.heard("transmit").length - (before[i] ?? 0));
  assert.ok(sent <= 3, `${sent} datagrams for a call of one piece`);
});
