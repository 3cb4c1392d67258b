/** Handshakes between two machines: what is sent, who is refused, what a storm does. */
import assert from "node:assert/strict";
import { fail, ok } from "../../src/base/mod.ts";
import { HELLO_BYTES } from "../../src/session/mod.ts";
import { bytes, connected, gateOf, type Node, STORM, World } from "./world.ts";
import { asPath } from "../../src/wire/mod.ts";

const HELLO = 1;
const REPLY = 2;
const FINISH = 3;

function failures(node: Node) {
  return node.heard("failed").map(({ reason, detail }) => detail ? `${reason}: ${detail}` : reason);
}

Deno.test("a handshake ends in one session on both sides, with what each showed", () => {
  const world = new World();
  const [a, b] = connected(world);
  const [atA] = a.heard("established");
  const [atB] = b.heard("established");
  assert.ok(atA && atB);
  assert.deepEqual(
    [atA.node, atA.initiator, atA.path, atA.member, atA.renewed],
    [b.id, true, b.address, "epoch aa", false],
  );
  assert.deepEqual(
    [atB.node, atB.initiator, atB.path, atB.member, atB.renewed],
    [a.id, false, a.address, "epoch bb", false],
  );
  assert.deepEqual(a.sessions.stats(), { ...b.sessions.stats(), dropped: {} });
  assert.equal(a.sessions.stats().attempts + b.sessions.stats().pending, 0);
});

Deno.test("payloads pass both ways and name the path that they took", () => {
  const world = new World();
  const [a, b] = connected(world);
  a.send(b, 9, 1);
  b.send(a, 9, 2);
  world.run(50);
  assert.deepEqual(b.heard("received").map((r) => [r.path, r.peer, ...r.payload]), [
    [a.address, a.peer, 9, 1],
  ]);
  assert.deepEqual(a.heard("received").map((r) => [r.path, r.peer, ...r.payload]), [
    [b.address, b.peer, 9, 2],
  ]);
});

Deno.test("a hello is padded to 1200 bytes and no answer to anybody is larger than it", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  b.accept({ ...world.gate, payload: new Uint8Array(900) });
  a.connect(b);
  world.run(1000);
  assert.ok(a.sessions.has(b.peer));
  assert.equal(world.last(HELLO, b.address).length, HELLO_BYTES);
  assert.ok(world.last(REPLY, a.address).length <= HELLO_BYTES);
});

Deno.test("nothing in a handshake shows who takes part or which network it is", () => {
  const world = new World();
  const [a, b] = connected(world);
  const seen = world.wire.map((flight) => flight.bytes.toHex()).join(" ");
  const network = gateOf(world.network, 7);
  for (const key of [a.identity.publicKey, b.identity.publicKey, network.psk, network.macKey]) {
    assert.ok(!seen.includes(key.toHex()));
  }
});

Deno.test("a payload too long to be shown or sent is the caller's mistake", () => {
  const world = new World();
  const [a, b] = connected(world);
  const [peer, path] = [b.peer, b.address];
  const payload = new Uint8Array(901);
  assert.throws(
    () => a.take({ type: "connect", peer: b.id, path: asPath(path), key: world.gate, payload }),
    RangeError,
  );
  for (const length of [0, 1201]) {
    const payload = new Uint8Array(length);
    assert.throws(() => a.take({ type: "send", peer, path: asPath(path), payload }), RangeError);
  }
  a.take({ type: "send", peer, path: asPath(path), payload: new Uint8Array(1200).fill(9) });
  world.run(50);
  assert.equal(b.heard("received")[0]?.payload.length, 1200);
});

Deno.test("a peer that does not answer fails the attempt after 5 s and five hellos", () => {
  const world = new World();
  const a = world.node();
  const b = world.node();
  world.filter = () => false;
  a.connect(b);
  world.run(4999);
  assert.deepEqual(failures(a), []);
  world.run(1);
  assert.deepEqual(failures(a), ["timeout"]);
  assert.equal(world.wire.length, 5);
  assert.equal(a.sessions.wakeup(), undefined);
});

Deno.test("an initiator whose finish gets lost repeats it, and fails when nothing comes back", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  world.filter = ({ bytes }) => bytes[3] !== FINISH;
  a.connect(b);
  world.run(1000);
  assert.deepEqual([a.sessions.has(b.peer), failures(a)], [false, []]);
  world.filter = () => true;
  world.run(1000);
  assert.ok(a.sessions.has(b.peer) && b.sessions.has(a.peer));

  const other = new World(2);
  const [c, d] = [other.node(), other.node()];
  other.filter = ({ bytes }) => bytes[3] !== FINISH;
  c.connect(d);
  other.run(20_000);
  assert.deepEqual(failures(c), ["timeout"]);
  assert.deepEqual(d.sessions.stats().pending, 0);
  assert.equal(d.sessions.wakeup(), undefined);
});

Deno.test("another node than the expected one is not told who asks", () => {
  const world = new World();
  const [a, b, c] = [world.node(), world.node(), world.node()];
  a.take({ type: "connect", peer: c.id, path: b.address, key: world.gate, payload: bytes() });
  world.run(10_000);
  assert.deepEqual(failures(a), [`wrong-peer: ${b.id}`]);
  assert.ok(!world.wire.some((flight) => flight.bytes[3] === FINISH));
  assert.deepEqual(b.heard("established"), []);
});

Deno.test("connect to nobody in particular reports who answered", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  a.take({ type: "connect", peer: null, path: b.address, key: world.gate, payload: bytes() });
  world.run(100);
  assert.deepEqual(a.heard("established").map((e) => e.node), [b.id]);
});

Deno.test("connect to oneself fails, by id and by address", () => {
  const world = new World();
  const a = world.node();
  a.connect(a);
  assert.deepEqual(failures(a), [`wrong-peer: ${a.id}`]);
  a.take({ type: "connect", peer: null, path: a.address, key: world.gate, payload: bytes() });
  world.run(10_000);
  assert.deepEqual(failures(a)[1], `wrong-peer: ${a.id}`);
  assert.deepEqual(a.sessions.sessions(world.now), []);
});

Deno.test("a wrong peer on one path does not end what comes through on another", () => {
  const world = new World();
  const [a, b, c] = [world.node(), world.node(), world.node()];
  const connect = (path: string) =>
    a.take({ type: "connect", peer: c.id, path: asPath(path), key: world.gate, payload: bytes(1) });
  connect(b.address);
  world.filter = ({ to, bytes }) => !(bytes[3] === HELLO && to === c.address && world.now < 200);
  connect(c.address);
  world.run(1000);
  assert.deepEqual(failures(a), []);
  assert.ok(a.sessions.has(c.peer));
  assert.equal(a.sessions.pathOf(c.peer), c.address);
  assert.equal(c.sessions.stats().established, 1);
});

Deno.test("one attempt is made for connects that repeat, whatever their paths", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  for (
    const path of [b.address, b.address, "10.0.9.1:1", "10.0.9.1:2", "10.0.9.1:3", "10.0.9.1:4"]
  ) {
    a.take({ type: "connect", peer: b.id, path: asPath(path), key: world.gate, payload: bytes(1) });
  }
  assert.equal(a.sessions.stats().attempts, 1);
  assert.equal(a.heard("transmit").length, 4, "at most four paths");
  world.run(100);
  assert.equal(a.heard("established").length, 1);
});

Deno.test("a peer of another network, or with another epoch's key, gets no answer", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  a.connect(b, gateOf(world.network, 8));
  world.run(10_000);
  assert.deepEqual(failures(a), ["timeout"]);
  assert.equal(b.heard("transmit").length, 0);
  assert.equal(b.sessions.stats().dropped["unknown-key"], 5);
});

Deno.test("a selector alone opens nothing: the MAC is checked before any key agreement", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  const stolen = { ...gateOf(world.network, 8), selector: world.gate.selector };
  a.connect(b, stolen);
  world.run(100);
  assert.equal(b.sessions.stats().dropped["bad-mac"], 1);
  assert.equal(b.heard("transmit").length, 0);
});

Deno.test("a node answers the keys of several networks and kinds, and keeps them apart", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  const invite = gateOf(world.network, 9, "invite");
  b.accept(world.gate, invite);
  a.connect(b, invite);
  a.connect(b);
  world.run(100);
  assert.deepEqual(b.heard("established").map((e) => e.kind).sort(), ["epoch", "invite"]);
  const { peer } = b;
  a.take({ type: "send", peer, kind: "invite", path: b.address, payload: bytes(9) });
  world.run(50);
  assert.deepEqual(b.heard("received").map((r) => r.kind), ["invite"]);
});

Deno.test("an initiator that does not accept the peer stops before it shows itself", () => {
  const world = new World();
  const a = world.node({ verifyPeer: () => fail("not-member") });
  const b = world.node();
  a.connect(b);
  world.run(10_000);
  assert.deepEqual(failures(a), ["unverified: not-member"]);
  assert.ok(!world.wire.some((flight) => flight.bytes[3] === FINISH));
});

Deno.test("a responder that does not accept the peer tells it why", () => {
  const world = new World();
  const a = world.node();
  const b = world.node({ verifyPeer: () => fail("certificate-expired") });
  a.connect(b);
  world.run(11_000);
  assert.deepEqual(failures(a), ["refused: certificate-expired"]);
  assert.deepEqual(b.heard("established"), []);
  assert.equal(b.sessions.stats().dropped.unverified, 1);
  assert.equal(b.sessions.stats().pending, 0);
});

Deno.test("a refusal that gets lost is repeated with the finish", () => {
  const world = new World();
  const a = world.node();
  const b = world.node({ verifyPeer: () => fail("revoked") });
  world.filter = ({ bytes, to }) => !(bytes[3] === 8 && to === a.address && world.now < 200);
  a.connect(b);
  world.run(10_000);
  assert.deepEqual(failures(a), ["refused: revoked"]);
  assert.equal(b.sessions.stats().dropped.unverified, 1, "judged once");
});

Deno.test("verifyPeer learns the network, the kind, who and what was shown", () => {
  const world = new World();
  const claims: string[] = [];
  const verifyPeer = (
    claim: { node: string; kind: string; initiator: boolean; payload: Uint8Array },
  ) => {
    claims.push(`${claim.node} ${claim.kind} ${claim.initiator} ${claim.payload.toHex()}`);
    return ok("");
  };
  const [a, b] = [world.node({ verifyPeer }), world.node({ verifyPeer })];
  a.connect(b);
  world.run(100);
  assert.deepEqual(claims, [`${b.id} epoch true aa`, `${a.id} epoch false bb`]);
});

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`a handshake comes through a storm (seed ${seed})`, () => {
    const world = new World(seed);
    world.weather = STORM;
    const [a, b] = [world.node(), world.node()];
    for (let i = 0; i < 4 && !a.sessions.has(b.peer); i++) {
      a.connect(b);
      world.run(6000);
    }
    assert.ok(a.sessions.has(b.peer), "a has no session");
    assert.ok(b.sessions.has(a.peer), "b has no session");
    world.weather = { ...STORM, loss: 0 };
    a.send(b, 9, 1);
    b.send(a, 9, 2);
    world.run(1000);
    assert.equal(b.heard("received").length, 1, "once, though duplicated");
    assert.equal(a.heard("received").length, 1);
  });
}

/** Both begin within 120 ms of each other; then the weather clears and both say something. */
function bothBegin(seed: number): [Node, Node] {
  const world = new World(seed);
  const [small, large] = world.pair();
  world.weather = seed % 3 === 0 ? { ...STORM, loss: 0.5 } : STORM;
  small.connect(large);
  world.run((seed % 7) * 20);
  large.connect(small);
  world.run(12_000);
  world.weather = { ...STORM, loss: 0 };
  small.send(large, 9, 0);
  large.send(small, 9, 0);
  world.run(1000);
  return [small, large];
}

Deno.test("both sides that begin at once use one session in the end (300 storms)", () => {
  let met = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const [small, large] = bothBegin(seed);
    for (const node of [small, large]) {
      const ends = node.heard("established").length + node.heard("failed").length;
      assert.ok(ends >= 1, `seed ${seed}: a connect without an end`);
    }
    if (!small.sessions.has(large.peer) || !large.sessions.has(small.peer)) continue;
    met++;
    const { world } = small;
    const initiators = [small, large].map((n) => n.sessions.sessions(world.now)[0]?.initiator);
    assert.notEqual(initiators[0], initiators[1], `seed ${seed}: two sessions`);
    world.run(11_000); // what is behind is no longer read
    const before = [small, large].map((node) => node.heard("received").length);
    small.send(large, 9, 1);
    large.send(small, 9, 2);
    world.run(1000);
    const since = [small, large].map((n, i) => n.heard("received").length - (before[i] ?? 0));
    assert.deepEqual(since, [1, 1], `seed ${seed}: deaf`);
  }
  assert.ok(met > 250, `only ${met} of 300 pairs met`);
});

Deno.test("of two handshakes that both come through, the smaller id's stays", () => {
  const world = new World();
  const [small, large] = world.pair();
  small.connect(large);
  large.connect(small);
  world.run(1000);
  const initiators = [small, large].map((n) => n.sessions.sessions(world.now)[0]?.initiator);
  assert.deepEqual(initiators, [true, false]);
});
