/** What strangers, and members of ill will, can do to a session machine: nothing that counts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { after, type Instant, ok } from "../../src/base/mod.ts";
import {
  deriveGateKey,
  generateIdentity,
  generateKeyPair,
  NoiseHandshake,
} from "../../src/crypto/mod.ts";
import { type SessionLimits, SessionMachine } from "../../src/session/mod.ts";
import {
  encodeFarewell,
  encodeHello,
  encodeHelloPayload,
  encodeIntroduction,
  parseFarewell,
  PROLOGUE,
  readIntroduction,
  signStaticKey,
} from "../../src/session/layout.ts";
import { bytes, connected, type Node, World } from "./world.ts";
import { asPath } from "../../src/wire/mod.ts";

const STRANGER = "198.51.100.7:666";

/** The datagrams of one whole handshake and one payload, to try things with. */
function recorded(): { world: World; a: Node; b: Node } {
  const world = new World();
  const [a, b] = connected(world);
  a.send(b, 9, 1);
  world.run(50);
  return { world, a, b };
}

Deno.test("a replayed datagram is dropped", () => {
  const { world, a, b } = recorded();
  for (const { to, bytes } of [...world.wire]) {
    if (bytes[3] === 8) world.inject(to === a.address ? a : b, asPath(STRANGER), bytes);
  }
  assert.equal(b.heard("received").length, 1);
  assert.equal(b.sessions.stats().dropped.replayed, 2);
  assert.equal(b.sessions.pathOf(a.peer), a.address);
});

Deno.test("a replayed hello and finish change nothing and get no more than they gave", () => {
  const { world, a, b } = recorded();
  const before = b.sessions.sessions(world.now);
  for (let i = 0; i < 50; i++) {
    const sent = world.inject(b, asPath(STRANGER), world.last(1, b.address));
    world.inject(b, asPath(STRANGER), world.last(3, b.address));
    assert.deepEqual(sent, [], "its handshake is over");
  }
  world.run(1000);
  assert.deepEqual(
    b.sessions.sessions(world.now),
    before.map((v) => ({ ...v, ageMs: v.ageMs + 1000, heardMsAgo: v.heardMsAgo + 1000 })),
  );
  assert.deepEqual(b.sessions.stats().dropped, { "replayed-hello": 50, "duplicate-finish": 50 });
  a.send(b, 9, 2);
  world.run(50);
  assert.equal(b.heard("received").length, 2);
});

Deno.test("a hello replayed to a node that was started anew does not disturb its sessions", () => {
  const { world, a, b } = recorded();
  const old = world.last(1, b.address);
  const fresh = world.replace(b);
  a.connect(fresh);
  world.run(100);
  const sent = world.inject(fresh, asPath(STRANGER), old);
  assert.equal(sent.length, 1, "one reply, no larger than the hello");
  world.run(20_000);
  assert.equal(fresh.sessions.stats().pending, 0);
  a.send(fresh, 9, 2);
  world.run(100);
  assert.equal(fresh.heard("received").length, 1);
});

Deno.test("no datagram with any bit changed is taken", () => {
  const { world, a, b } = recorded();
  const payload = world.last(8, b.address);
  for (let at = 0; at < payload.length; at++) {
    const changed = payload.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x10;
    world.inject(b, a.address, changed);
  }
  assert.equal(b.heard("received").length, 1);
  assert.equal(b.sessions.pathOf(a.peer), a.address);
});

Deno.test("no datagram that is cut or lengthened is taken", () => {
  const { world, a, b } = recorded();
  a.take({ type: "send", peer: b.peer, path: asPath("10.9.9.9:9"), payload: bytes(9, 2) });
  const whole = world.last(8, "10.9.9.9:9");
  const sizes = [...Array(whole.length).keys(), whole.length + 1, 1233, 1500, 65_507];
  for (const size of sizes) {
    const changed = new Uint8Array(size);
    changed.set(whole.subarray(0, size));
    world.inject(b, a.address, changed);
  }
  assert.equal(b.heard("received").length, 1);
  world.inject(b, a.address, whole);
  assert.equal(b.heard("received").length, 2, "the whole one is still good");
});

Deno.test("forged replies do not end a handshake", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  world.filter = ({ bytes }) => bytes[3] !== 2;
  a.connect(b);
  world.run(100);
  const reply = world.last(2, a.address);
  for (let at = 4; at < reply.length; at += 7) {
    const forged = reply.slice();
    forged[at] = (forged[at] ?? 0) ^ 1;
    world.inject(a, b.address, forged);
  }
  assert.deepEqual(a.heard("failed"), []);
  world.inject(a, asPath(STRANGER), reply);
  assert.equal(a.sessions.stats().dropped["wrong-path"], 1, "nobody was asked there");
  world.filter = () => true;
  world.run(1000);
  assert.ok(a.sessions.has(b.peer));
});

Deno.test("an attempt looks at no more than 32 bad replies", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  world.filter = ({ bytes }) => bytes[3] !== 2;
  a.connect(b);
  world.run(100);
  const reply = world.last(2, a.address);
  const forged = reply.slice();
  forged[60] = (forged[60] ?? 0) ^ 1;
  for (let i = 0; i < 32; i++) world.inject(a, b.address, forged);
  world.inject(a, b.address, reply);
  assert.equal(a.sessions.stats().dropped["bad-handshake"], 33);
});

Deno.test("forged finishes do not end a pending handshake", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  world.filter = ({ bytes }) => bytes[3] !== 3;
  a.connect(b);
  world.run(100);
  const finish = world.last(3, b.address);
  for (let at = 8; at < finish.length; at += 11) {
    const forged = finish.slice();
    forged[at] = (forged[at] ?? 0) ^ 1;
    world.inject(b, a.address, forged);
  }
  world.filter = () => true;
  world.run(1000);
  assert.ok(b.sessions.has(a.peer));
});

Deno.test("who begins a handshake has no more than 32 bad finishes looked at", () => {
  const world = new World();
  const [a, b] = [world.node(), world.node()];
  world.filter = ({ bytes }) => bytes[3] !== 3;
  a.connect(b);
  world.run(100);
  const finish = world.last(3, b.address);
  const forged = finish.slice();
  forged[60] = (forged[60] ?? 0) ^ 1;
  for (let i = 0; i < 32; i++) world.inject(b, a.address, forged);
  world.inject(b, a.address, finish);
  assert.equal(b.sessions.stats().dropped["bad-handshake"], 33);
  world.filter = () => true;
  world.run(20_000);
  a.connect(b);
  world.run(200);
  assert.ok(b.sessions.has(a.peer), "the next one is another");
});

Deno.test("a datagram is not taken by a session of another peer", () => {
  const world = new World();
  const [a, b] = connected(world);
  const c = world.node();
  c.connect(b);
  world.run(100);
  c.take({ type: "send", peer: b.peer, path: asPath("10.9.9.9:9"), payload: bytes(9, 2) });
  const sealed = world.last(8, "10.9.9.9:9");
  const ofA = world.wire.find((flight) => flight.bytes[3] === 8 && flight.from === a.address);
  sealed.set(ofA?.bytes.subarray(4, 8) ?? bytes(), 4); // the id of a session that is not c's
  world.inject(b, a.address, sealed);
  assert.deepEqual(b.heard("received"), []);
  assert.equal(b.sessions.stats().dropped["bad-tag"], 1);
});

/** Whole first messages of members that never go on, each with its own ephemeral key. */
function hellos(world: World, count: number): Uint8Array[] {
  const { gate, random } = world;
  return Array.from({ length: count }, (_, i) => {
    const noise = new NoiseHandshake({
      initiator: true,
      prologue: PROLOGUE,
      staticKey: generateKeyPair(random),
      psk: gate.psk,
      random,
    });
    const message = noise.writeMessage(encodeHelloPayload(i + 1));
    assert.ok(message.ok);
    return encodeHello(gate, message.value);
  });
}

function limited(world: World, limits: Partial<SessionLimits>): Node {
  return world.node({ limits });
}

Deno.test("handshakes of one source are limited, and of all together", () => {
  const world = new World();
  const limits = { perSourcePerS: 1, perSourceBurst: 3, handshakesPerS: 1, handshakesBurst: 5 };
  const b = limited(world, limits);
  const flood = hellos(world, 20);
  for (const [i, hello] of flood.slice(0, 10).entries()) {
    world.inject(b, asPath(`198.51.100.${i}:${i + 1}`), hello); // one /24
  }
  assert.equal(b.heard("transmit").length, 3);
  assert.equal(b.sessions.stats().dropped["source-limit"], 7);
  for (const [i, hello] of flood.slice(10).entries()) {
    world.inject(b, asPath(`10.1.${i}.1:9`), hello);
  }
  assert.equal(b.heard("transmit").length, 5);
  assert.equal(b.sessions.stats().dropped["global-limit"], 8);
  world.run(2000);
  world.inject(b, asPath("10.2.0.1:9"), flood[19] ?? bytes());
  assert.equal(b.heard("transmit").length, 6, "the budget comes back, and a dropped hello too");
});

Deno.test("hellos with a bad MAC take nothing from any budget", () => {
  const world = new World();
  const b = limited(world, { perSourceBurst: 2, handshakesBurst: 2 });
  const [good, other] = hellos(world, 2);
  assert.ok(good && other);
  for (let i = 0; i < 1000; i++) {
    const forged = other.slice();
    forged[100] = i;
    world.inject(b, asPath("198.51.100.1:1"), forged);
  }
  world.inject(b, asPath("198.51.100.1:1"), good);
  assert.equal(b.sessions.stats().dropped["bad-mac"], 999 - 3, "four of a thousand are unchanged");
});

Deno.test("pending handshakes are bounded; the oldest gives way", () => {
  const world = new World();
  const b = limited(world, { pendingMax: 8, perSourceBurst: 1000, handshakesBurst: 1000 });
  for (const hello of hellos(world, 50)) world.inject(b, asPath(STRANGER), hello);
  assert.equal(b.sessions.stats().pending, 8);
  const a = world.node();
  a.connect(b);
  world.run(100);
  assert.ok(a.sessions.has(b.peer));
  world.run(11_000);
  assert.equal(b.sessions.stats().pending, 0);
});

Deno.test("peers are bounded: one too many is refused, and says so", () => {
  const world = new World();
  const b = limited(world, { peersMax: 2 });
  const peers = [world.node(), world.node(), world.node()];
  for (const peer of peers) {
    peer.connect(b);
    world.run(100);
  }
  world.run(6000);
  assert.deepEqual(peers.map((peer) => peer.sessions.has(b.peer)), [true, true, false]);
  assert.deepEqual(peers[2]?.heard("failed").map((f) => f.detail), ["busy"]);
});

Deno.test("attempts are bounded: one too many fails at once", () => {
  const world = new World();
  const a = limited(world, { attemptsMax: 1 });
  const [b, c] = [world.node(), world.node()];
  a.connect(b);
  a.connect(c);
  assert.deepEqual(a.heard("failed").map((f) => [f.peer, f.reason]), [[c.id, "busy"]]);
});

Deno.test("a repeated hello gets its reply 24 times and no more", () => {
  const world = new World();
  const b = world.node();
  const [hello = bytes()] = hellos(world, 1);
  for (let i = 0; i < 100; i++) world.inject(b, asPath(STRANGER), hello);
  assert.equal(b.heard("transmit").length, 24);
  const replies = new Set(b.heard("transmit").map((t) => t.bytes.toHex()));
  assert.equal(replies.size, 1);
});

Deno.test("a peer that shows another's identity is refused", () => {
  const world = new World();
  const [honest, b] = [world.node(), world.node()];
  const thief = world.node({
    identity: { ...honest.identity, sign: generateIdentity(world.random).identity.sign },
  });
  thief.connect(b);
  world.run(10_000);
  assert.deepEqual(b.heard("established"), []);
  assert.equal(b.sessions.stats().dropped["bad-identity"], 1);
  b.connect(thief);
  world.run(10_000);
  assert.deepEqual(b.heard("failed").map((f) => f.reason), ["bad-identity"]);
});

Deno.test("a signed static key is worthless with another static key", () => {
  const { random } = new World();
  const { identity } = generateIdentity(random);
  const [ours, other] = [generateKeyPair(random).publicKey, generateKeyPair(random).publicKey];
  const introduction = {
    publicKey: identity.publicKey,
    signature: signStaticKey(identity, ours),
    payload: bytes(),
  };
  const encoded = encodeIntroduction(introduction);
  const read = readIntroduction(encoded, ours);
  assert.deepEqual(read.ok && read.value.publicKey, identity.publicKey);
  assert.deepEqual(readIntroduction(encoded, other), { ok: false, reason: "bad-identity" });
});

Deno.test("readIntroduction() never throws", () => {
  const staticKey = new Uint8Array(32);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (encoded) => {
    assert.ok(!readIntroduction(encoded, staticKey).ok);
  }));
});

Deno.test("handle() never throws on a datagram, whatever its bytes", () => {
  const { world, a, b } = recorded();
  const frames = [1, 2, 3, 8].map((type) => {
    return world.wire.findLast((flight) => flight.bytes[3] === type)?.bytes ?? bytes();
  });
  const anything = fc.uint8Array({ maxLength: 1300 });
  const typed = fc.tuple(fc.constantFrom(0, 1, 2, 3, 4, 8, 255), anything)
    .map(([type, rest]) => bytes(0x6f, 0x6d, 1, type, ...rest));
  const near = fc.tuple(fc.constantFrom(...frames), fc.nat(), fc.nat(255), fc.nat(40))
    .map(([frame, at, to, cut]) => {
      const changed = frame.slice(0, frame.length - cut);
      changed[at % Math.max(1, changed.length)] = to;
      return changed;
    });
  fc.assert(
    fc.property(fc.oneof(anything, typed, near), fc.string(), (datagram, path) => {
      for (const node of [a, b]) {
        const sent = world.inject(node, asPath(path), datagram).filter((o) =>
          o.type === "transmit"
        );
        const answered = sent.reduce((sum, output) => sum + output.bytes.length, 0);
        assert.ok(answered <= datagram.length, "no answer is larger than its question");
      }
    }),
    { numRuns: 3000 },
  );
  a.send(b, 9, 2);
  world.run(100);
  assert.equal(b.heard("received").length, 2, "the session lives on");
});

Deno.test("parseFarewell() reverses encodeFarewell() and never throws", () => {
  for (const kind of ["left", "refused"] as const) {
    const farewell = { kind, reason: "shutting-down" };
    assert.deepEqual(parseFarewell(encodeFarewell(farewell)), { ok: true, value: farewell });
  }
  const odd = { kind: "left", reason: "No \u001b[31m" } as const;
  assert.deepEqual(parseFarewell(encodeFarewell(odd)), {
    ok: true,
    value: { kind: "left", reason: "other" },
  });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
    const parsed = parseFarewell(bytes(5, ...tail));
    if (parsed.ok) assert.match(parsed.value.reason, /^[a-z-]{1,32}$/);
  }));
});

Deno.test("the table of sources does not grow without end", () => {
  const world = new World();
  const machine = new SessionMachine({
    identity: generateIdentity(world.random).identity,
    staticKey: generateKeyPair(world.random),
    random: world.random,
    verifyPeer: () => ok(undefined),
  });
  const gate = { ...deriveGateKey(new Uint8Array(32).fill(7)), network: world.network };
  const keys = [{ ...gate, kind: "epoch" as const, payload: bytes() }];
  machine.handle({ type: "keys", keys }, 0 as Instant, []);
  const [hello = bytes()] = hellos(world, 1);
  const forged = hello.slice();
  forged[200] = (forged[200] ?? 0) ^ 1;
  let now = 0 as Instant;
  for (let i = 0; i < 20_000; i++) {
    now = after(now, 1);
    const path = `${i & 255}.${(i >> 8) & 255}.1.1:1`;
    machine.handle({ type: "datagram", path: asPath(path), bytes: forged }, now, []);
  }
  assert.equal(machine.stats().dropped["bad-mac"], 20_000);
  assert.equal(machine.wakeup(), undefined, "nothing was kept");
});
