/** The life of a session: renewal, replacement, ends, and the views of it. */
import assert from "node:assert/strict";
import { bytes, connected, gateOf, type Node, World } from "./world.ts";
import { asPath } from "../../src/wire/mod.ts";

const MINUTE = 60_000;

/** Lets both talk every 10 s for a while. */
function talk(world: World, a: Node, b: Node, forMs: number): void {
  for (let spent = 0; spent < forMs; spent += 10_000) {
    a.send(b, 9, 1);
    b.send(a, 9, 2);
    world.run(10_000);
  }
}

Deno.test("a session that is used is renewed by its initiator after 120 s, without a gap", () => {
  const world = new World();
  const [a, b] = connected(world);
  talk(world, a, b, 10 * MINUTE);
  assert.equal(a.heard("closed").length + b.heard("closed").length, 0);
  assert.equal(a.heard("received").length, 60);
  assert.equal(b.heard("received").length, 60);
  const renewals = a.heard("established");
  assert.deepEqual(renewals.map((e) => [e.initiator, e.renewed]), [
    [true, false],
    [true, true],
    [true, true],
    [true, true],
    [true, true],
  ]);
  assert.deepEqual(a.sessions.stats().dropped, {});
  assert.deepEqual(b.sessions.stats().dropped, {});
});

Deno.test("a session that nobody uses ends after 180 s", () => {
  const world = new World();
  const [a, b] = connected(world);
  world.run(3 * MINUTE - 200);
  assert.ok(a.sessions.has(b.peer));
  world.run(200);
  assert.deepEqual(a.heard("closed").map((c) => [c.peer, c.reason]), [[b.peer, "expired"]]);
  assert.deepEqual(b.heard("closed").map((c) => [c.peer, c.reason]), [[a.peer, "expired"]]);
  assert.deepEqual(a.heard("failed"), []);
  assert.equal(a.sessions.wakeup(), undefined);
  a.send(b, 9);
  assert.equal(a.sessions.stats().dropped["no-session"], 1);
});

Deno.test("a session that cannot be renewed is tried every 5 s and ends after 180 s", () => {
  const world = new World();
  const [a, b] = connected(world);
  a.send(b, 9);
  world.run(100);
  world.filter = ({ bytes }) => bytes[3] !== 1;
  world.run(3 * MINUTE);
  assert.deepEqual(a.heard("closed").map((c) => c.reason), ["expired"]);
  assert.deepEqual(a.heard("failed"), [], "nobody asked for the renewals");
  const hellos = world.wire.filter((flight) => flight.bytes[3] === 1).length;
  assert.ok(hellos > 50, `${hellos} hellos`);
});

Deno.test("an invite's session is not renewed", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  const invite = gateOf(world.network, 9, "invite");
  b.accept(invite);
  a.connect(b, invite);
  world.run(100);
  const { peer } = b;
  for (let i = 0; i < 20; i++) {
    a.take({ type: "send", peer, kind: "invite", path: b.address, payload: bytes(9) });
    world.run(10_000);
  }
  assert.equal(b.heard("received").length, 18);
  assert.deepEqual(a.heard("closed").map((c) => [c.kind, c.reason]), [["invite", "expired"]]);
});

Deno.test("a renewed session uses the key and payload that the node keeps now", () => {
  const world = new World();
  const [a, b] = connected(world);
  const next = gateOf(world.network, 8);
  a.accept({ ...next, payload: bytes(0xcc) });
  b.accept(world.gate, next);
  talk(world, a, b, 3 * MINUTE);
  assert.deepEqual(b.heard("established").map((e) => e.member), ["epoch bb", "epoch cc"]);
});

/** Renews the session of a and b, and gives the datagram that a sent on the old one and b never saw. */
function renewedWithLateDatagram(world: World): { a: Node; b: Node; late: Uint8Array } {
  const [a, b] = connected(world);
  world.filter = ({ to, bytes }) => !(to === b.address && bytes.length === 32 + 2);
  a.send(b, 9, 7);
  world.run(50);
  const late = world.last(8, b.address);
  world.filter = () => true;
  a.connect(b);
  world.run(100);
  assert.equal(b.heard("established").length, 2);
  return { a, b, late };
}

Deno.test("a replaced session is read for 10 s more", () => {
  const world = new World();
  const { a, b, late } = renewedWithLateDatagram(world);
  world.run(9_000);
  world.inject(b, a.address, late);
  assert.deepEqual(b.heard("received").map((r) => [...r.payload]), [[9, 7]]);
});

Deno.test("a replaced session is not read after 10 s", () => {
  const world = new World();
  const { a, b, late } = renewedWithLateDatagram(world);
  world.run(10_000);
  world.inject(b, a.address, late);
  assert.deepEqual(b.heard("received"), []);
  assert.equal(b.sessions.stats().dropped["unknown-session"], 1);
});

Deno.test("connect on a living session replaces it on both sides", () => {
  const world = new World();
  const [a, b] = connected(world);
  b.connect(a);
  world.run(100);
  assert.deepEqual(a.heard("established").map((e) => e.renewed), [false, true]);
  assert.deepEqual(b.heard("established").map((e) => [e.initiator, e.renewed]), [
    [false, false],
    [true, true],
  ]);
  talk(world, a, b, 20_000);
  assert.equal(a.heard("received").length, 2);
  assert.equal(b.heard("received").length, 2);
});

for (const which of ["smaller", "larger"] as const) {
  Deno.test(`a peer that is started anew is heard at once (the ${which} id)`, () => {
    const world = new World();
    const [small, large] = world.pair();
    const [old, other] = which === "smaller" ? [small, large] : [large, small];
    other.connect(old);
    world.run(100);
    const fresh = world.replace(old);
    other.send(fresh, 9, 1);
    world.run(3000);
    assert.deepEqual(fresh.heard("received"), [], "it knows no session");
    fresh.connect(other);
    world.run(100);
    assert.deepEqual(other.heard("established").map((e) => e.renewed), [false, true]);
    fresh.send(other, 9, 2);
    other.send(fresh, 9, 3);
    world.run(100);
    assert.equal(other.heard("received").length, 1);
    assert.equal(fresh.heard("received").length, 1);
  });
}

Deno.test("close tells the peer, once, and with the reason", () => {
  const world = new World();
  const [a, b] = connected(world);
  a.take({ type: "close", peer: b.peer, reason: "shutting-down" });
  a.take({ type: "close", peer: b.peer });
  world.run(100);
  assert.deepEqual(a.heard("closed").map((c) => c.reason), ["closed"]);
  assert.deepEqual(b.heard("closed").map((c) => [c.reason, c.detail]), [["left", "shutting-down"]]);
  assert.ok(!a.sessions.has(b.peer) && !b.sessions.has(a.peer));
  assert.deepEqual([a.sessions.wakeup(), b.sessions.wakeup()], [undefined, undefined]);
});

Deno.test("close gives up a handshake that is under way, before and after its reply", () => {
  for (const lostType of [1, 8]) {
    const world = new World();
    const [a, b] = [world.node(), world.node()];
    world.filter = ({ bytes }) => bytes[3] !== lostType;
    a.connect(b);
    world.run(100);
    a.take({ type: "close", peer: b.peer });
    assert.deepEqual(a.heard("failed").map((f) => f.reason), ["closed"]);
    assert.equal(a.sessions.wakeup(), undefined);
  }
});

Deno.test("close of one kind leaves the other", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  const invite = gateOf(world.network, 9, "invite");
  b.accept(world.gate, invite);
  a.connect(b, invite);
  a.connect(b);
  world.run(100);
  a.take({ type: "close", peer: b.peer, kind: "invite" });
  world.run(100);
  assert.deepEqual(b.heard("closed").map((c) => c.kind), ["invite"]);
  assert.ok(a.sessions.has(b.peer, "epoch") && !a.sessions.has(b.peer, "invite"));
});

Deno.test("sessions() shows the path of the newest datagram, not of a delayed one", () => {
  const world = new World();
  const [a, b] = connected(world);
  const { peer } = b;
  const send = (n: number) => {
    a.take({ type: "send", peer, path: b.address, payload: bytes(9, n) });
    return world.last(8, b.address);
  };
  const [first, second] = [send(1), send(2)];
  world.inject(b, asPath("10.9.9.9:2"), second);
  world.inject(b, asPath("10.9.9.9:1"), first);
  assert.equal(b.sessions.pathOf(a.peer), "10.9.9.9:2");
  assert.deepEqual(b.heard("received").map((r) => r.path), ["10.9.9.9:2", "10.9.9.9:1"]);
  const [view] = b.sessions.sessions(world.now);
  assert.deepEqual(
    [view?.peer, view?.node, view?.kind, view?.path, view?.heardMsAgo, view?.initiator],
    [a.peer, a.id, "epoch", "10.9.9.9:2", 0, false],
  );
});

Deno.test("send with a time to live passes it on, and is not taken for the path to renew on", () => {
  const world = new World();
  const [a, b] = connected(world);
  a.take({ type: "send", peer: b.peer, path: asPath("10.9.9.9:1"), payload: bytes(9), ttl: 2 });
  const [sent] = a.heard("transmit").slice(-1);
  assert.deepEqual([sent?.path, sent?.ttl], ["10.9.9.9:1", 2]);
  world.run(125_000);
  assert.ok(!world.wire.some((flight) => flight.bytes[3] === 1 && flight.to === "10.9.9.9:1"));
});

Deno.test("the receivers that are told are the sessions and handshakes that there are", () => {
  const world = new World();
  const [a, b] = connected(world);
  assert.ok(a.receivers.size === 1 && b.receivers.size === 1);
  talk(world, a, b, 10 * MINUTE);
  assert.ok(a.receivers.size <= 2 && b.receivers.size <= 2, "an ended session is let in");
  world.run(4 * MINUTE);
  assert.deepEqual([...a.receivers, ...b.receivers], []);
  assert.equal(a.sessions.takeReceivers(), undefined);
});
