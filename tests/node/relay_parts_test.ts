/** Relays as parts of whole nodes: kept by members, and carriers of second paths to peers that are busy. */
import assert from "node:assert/strict";
import { type Host, World } from "../../src/sim/mod.ts";
import { asPath, isRelayed } from "../../src/wire/mod.ts";

const RELAY_AT = ["203.0.113.1:9000", "203.0.113.2:9000"];

/** Relays on the internet, and two members that enter the network by them. */
function world({ relays = 1 } = {}) {
  const sim = new World(7);
  const host = (name: string, ip: string, more: object = {}) =>
    sim.host({ name, attachments: [{ realm: sim.internet, ip }], ...more });
  const relay = { relay: true, grants: ["relay"] as const };
  const carriers = RELAY_AT.slice(0, relays).map((at, i) =>
    host(`relay ${i}`, at.split(":")[0] ?? "", relay)
  );
  const entries = carriers.map(({ identity }, i) => ({
    id: identity.id,
    addresses: [RELAY_AT[i] ?? ""],
  }));
  const [a, b] = [host("a", "203.0.113.11", { entries }), host("b", "203.0.113.12", { entries })];
  return { sim, relays: carriers, a, b };
}

/** Whether the paths to a peer that are proven lead through a relay. */
function paths(from: Host, to: Host): boolean[] {
  return from.machine.view.pathsOf(to.peer, from.now).map(({ relayed }) => relayed);
}

/** The relays at which a member is at home. */
function home(of: Host, sim: World): string[] {
  const { network } = sim.membership.network;
  return of.machine.view.relays.connected(network).map(({ path }) => path as string);
}

/** A direct session of two members, without a relay's help. */
function meet(sim: World, a: Host, b: Host): void {
  const path = asPath(b.addresses[0] ?? "");
  const [token, peer] = [a.nextToken(), b.identity.id];
  const shown = { key: sim.membership.key, payload: a.shown };
  a.take({ type: "connect", token, peer, path, named: "person", ...shown });
  sim.run(500);
  assert.deepEqual(paths(a, b), [false]);
}

Deno.test("members keep the relays at which they enter, and meet them again when they come back", () => {
  const { sim, relays: [relay], a } = world();
  assert.ok(relay);
  sim.run(500);
  assert.deepEqual(home(a, sim), RELAY_AT.slice(0, 1));
  relay.crash();
  sim.run(60_000);
  assert.deepEqual(home(a, sim), []);
  relay.restart();
  sim.run(20_000);
  assert.deepEqual(home(a, sim), RELAY_AT.slice(0, 1));
});

Deno.test("a direct peer that becomes busy has a second path through a relay, from both ends", () => {
  const { sim, a, b } = world();
  sim.run(500);
  meet(sim, a, b);
  sim.run(10_000);
  assert.deepEqual(paths(a, b), [false], "one that is not busy has none");
  a.use(b.peer, "test", "busy");
  sim.run(1_000);
  assert.deepEqual([paths(a, b), paths(b, a)], [[false, true], [false, true]]);
});

Deno.test("a busy peer's second path comes with the relay, and comes back with it", () => {
  const { sim, relays: [relay], a, b } = world();
  assert.ok(relay);
  relay.crash();
  meet(sim, a, b);
  a.use(b.peer, "test", "busy");
  b.use(a.peer, "test", "busy");
  sim.run(5_000);
  assert.deepEqual(paths(a, b), [false]);
  for (let i = 0; i < 2; i++) {
    relay.restart();
    sim.run(40_000);
    assert.deepEqual(paths(a, b), [false, true]);
    relay.crash();
    sim.run(60_000);
    assert.deepEqual(paths(a, b), [false]);
  }
});

Deno.test("a busy peer's traffic goes on through a relay when its direct path ends", () => {
  const { sim, a, b } = world();
  sim.run(500);
  meet(sim, a, b);
  a.use(b.peer, "test", "busy");
  b.use(a.peer, "test", "busy");
  sim.run(2_000);
  const direct = a.machine.view.activePath(b.peer);
  assert.ok(direct !== null && !isRelayed(direct));
  a.take({ type: "path-dead", peer: b.peer, path: direct });
  const active = a.machine.view.activePath(b.peer);
  assert.ok(active !== null && isRelayed(active), "at once");
  assert.ok(a.machine.view.isConnected(b.peer));
});

Deno.test("where the first relay has no path, the second one carries it", () => {
  const { sim, relays: [first], a, b } = world({ relays: 2 });
  assert.ok(first);
  sim.run(500);
  meet(sim, a, b);
  b.take({ type: "disconnect", peer: first.peer, kind: "epoch" });
  sim.run(10);
  a.use(b.peer, "test", "busy");
  sim.run(300);
  const [, second] = a.machine.view.pathsOf(b.peer, a.now);
  assert.ok(second?.path.startsWith(RELAY_AT[1] ?? "?"), `by ${second?.path}`);
});

Deno.test("a relay forgets what nobody uses", () => {
  const { sim, relays: [relay], a, b } = world();
  assert.ok(relay);
  sim.run(500);
  meet(sim, a, b);
  a.use(b.peer, "test", "busy");
  sim.run(1_000);
  assert.equal(relay.machine.view.relays.pairs().length, 1);
  a.crash();
  b.crash();
  sim.run(400_000);
  assert.deepEqual(relay.machine.view.relays.pairs(), []);
});
