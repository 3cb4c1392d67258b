/** The gate for addresses that others name: no record, and no number of them, aims a node at a victim. */
import assert from "node:assert/strict";
import { generateIdentity } from "../../src/crypto/mod.ts";
import type { Path } from "../../src/base/mod.ts";
import type { Namer } from "../../src/path/mod.ts";
import { asPath, isRelayed } from "../../src/wire/mod.ts";
import { type Host, World } from "./world.ts";

const VICTIM = "198.51.100.66";
const HOUR_MS = 3_600_000;

let token = 1_000;

/** Begins a session with somebody at an address that `named` named. */
function knock(host: Host, path: string, named: Namer): number {
  const peer = generateIdentity(host.world.random).identity.id;
  const { shown: payload, world: { key } } = host;
  host.take({ type: "connect", token: ++token, peer, path: asPath(path), named, key, payload });
  return token;
}

/** What went to a host, whatever the port. */
function sentTo(host: Host, ip: string): { datagrams: number; bytes: number } {
  const sent = host.heard("transmit").filter(({ path }) => path.startsWith(`${ip}:`));
  return { datagrams: sent.length, bytes: sent.reduce((sum, { bytes }) => sum + bytes.length, 0) };
}

function reasonOf(host: Host, token: number): string | undefined {
  return host.heard("connect-failed").find((failed) => failed.token === token)?.reason;
}

Deno.test("three records that name four ports of a victim get it four datagrams in 15 s", () => {
  const world = new World();
  const host = world.host();
  for (let record = 0; record < 3; record++) {
    for (let port = 5_301; port <= 5_304; port++) knock(host, `${VICTIM}:${port}`, "record");
    world.run(5_000);
  }
  assert.deepEqual(sentTo(host, VICTIM), { datagrams: 4, bytes: 4 * 1_200 });
});

Deno.test("a record that is tried again and again for an hour gets its victim 0.1 kB/s", () => {
  const world = new World();
  const host = world.host();
  let port = 1;
  for (let ms = 0; ms < HOUR_MS; ms += 10_000) {
    for (let i = 0; i < 16; i++) knock(host, `${VICTIM}:${port++}`, "record");
    world.run(10_000);
  }
  const { bytes } = sentTo(host, VICTIM);
  assert.ok(bytes <= 64 * 108 + HOUR_MS / 1_000 * 108, `${bytes} bytes`);
});

Deno.test("pings and handshakes to an address are counted together", () => {
  const world = new World();
  const { a, b } = world.relayedPair(["symmetric", "symmetric"]);
  const at = `${VICTIM}:1`;
  b.call(a, "path.candidates", { addresses: [at] });
  world.run(1_500);
  assert.equal(a.sentTo(at, 0), 3);
  knock(a, at, "record");
  world.run(5_000);
  assert.equal(a.sentTo(at, 0), 3);
});

Deno.test("a session is opened where a record points, once somebody answers there without limit", () => {
  const world = new World();
  const [a, b] = [world.host(), world.host()];
  a.connect(b, b.local, world.key, "record");
  world.run(200);
  assert.ok(a.machine.view.isConnected(b.peer) && b.machine.view.isConnected(a.peer));
  for (let i = 0; i < 10; i++) {
    a.take({ type: "disconnect", peer: b.peer, kind: "epoch" });
    world.run(100);
    a.connect(b, b.local, world.key, "record");
    world.run(200);
    assert.ok(a.machine.view.isConnected(b.peer), `not at attempt ${i}`);
  }
});

Deno.test("of a record's addresses only global ones and those of our own networks are tried", () => {
  const world = new World();
  const host = world.host({ nat: "symmetric" }); // at 192.168.1.2
  const tried = (ip: string, named: Namer) => {
    const token = knock(host, `${ip}:9000`, named);
    const isSent = host.heard("transmit").some(({ path }) => path === `${ip}:9000`);
    assert.equal(reasonOf(host, token), isSent ? undefined : "unwanted");
    return isSent;
  };
  const table: [ip: string, record: boolean, person: boolean][] = [
    ["203.0.113.200", true, true],
    ["192.168.1.9", true, true],
    ["192.168.7.9", false, true],
    ["10.0.0.1", false, true],
    ["100.64.0.1", false, true],
    ["169.254.1.1", false, true],
    ["127.0.0.1", false, true],
    ["0.0.0.0", false, false],
    ["[2002:7f00:1::1]", false, false],
    ["[2001:0:1::1]", false, false],
  ];
  for (const [ip, record, person] of table) {
    assert.equal(tried(ip, "record"), record, `${ip} of a record`);
    if (!record) assert.equal(tried(ip, "person"), person, `${ip} of a person`);
  }
});

Deno.test("loopback is tried for a record where peers are on loopback, as in a demo", () => {
  const world = new World();
  const [a, b] = [world.host(), world.host()];
  a.connect(b);
  world.run(200);
  assert.equal(a.machine.view.mayOpen(asPath("127.0.0.1:9"), "record"), false);
  const onLoopback = { path: asPath("127.0.0.1:9000"), peer: b.peer };
  a.take({ type: "add-path", ...onLoopback });
  const ping = a.heard("transmit").at(-1);
  assert.equal(ping?.path, "127.0.0.1:9000");
  // b answers from there
  b.said = [];
  world.inject(b, a.local, ping.bytes);
  const pong = b.heard("transmit").at(-1);
  assert.ok(pong);
  world.inject(a, "127.0.0.1:9000", pong.bytes);
  assert.equal(a.path(b), "127.0.0.1:9000");
  assert.equal(a.machine.view.mayOpen(asPath("127.0.0.1:9"), "record"), true);
});

Deno.test("no peer that names a host without end keeps us from what our person named there", () => {
  const world = new World();
  const { a, b } = world.relayedPair(["symmetric", "symmetric"]);
  let port = 1;
  const nameFor = (ms: number) => {
    for (let i = 0; i < ms; i += 500) {
      const addresses = Array.from({ length: 16 }, () => `${VICTIM}:${port++}`);
      b.call(a, "path.candidates", { addresses });
      world.run(500);
    }
  };
  nameFor(60_000);
  const token = knock(a, `${VICTIM}:9000`, "person");
  nameFor(6_000);
  assert.equal(reasonOf(a, token), "timeout");
  assert.equal(a.sentTo(`${VICTIM}:9000`), 5);
});

Deno.test("what a person named is tried in full, and still bounded by its host", () => {
  const world = new World();
  const host = world.host();
  knock(host, `${VICTIM}:9000`, "person");
  world.run(5_000);
  assert.equal(sentTo(host, VICTIM).datagrams, 5);
  for (let port = 1; port <= 1_000; port++) knock(host, `${VICTIM}:${port}`, "person");
  world.run(5_000);
  assert.ok(sentTo(host, VICTIM).datagrams <= 64 + 10);
});

// OMERTA_DIRECT=never ------------------------------------------------------------------------------

/** Whether anything of `host` left for elsewhere than the relay in two minutes. */
function assertStays(world: World, relay: Host, host: Host, other: Host): void {
  world.run(120_000);
  for (const [end, to] of [[host, other], [other, host]] as const) {
    assert.ok(isRelayed(asPath(end.path(to) ?? "")), `${end.path(to)}`);
    assert.deepEqual(end.heard("peer-down"), []);
  }
  const elsewhere = host.heard("transmit").filter(({ path }) => !path.startsWith(relay.local));
  assert.deepEqual(elsewhere.map(({ path }) => path), []);
}

Deno.test("whom the owner keeps on the relay stays there: no probe, no answer, no address", () => {
  const drivers = new Set<boolean>();
  for (let seed = 1; drivers.size < 2; seed++) {
    const world = new World(seed);
    const easy = "endpoint-independent";
    const { relay, a, b } = world.relayedPair([easy, easy], { direct: false });
    drivers.add(a.identity.id < b.identity.id);
    assertStays(world, relay, a, b);
    const asked = b.call(a, "path.candidates", { addresses: [] });
    world.run(1_000);
    const answer = b.result(asked);
    assert.ok(answer?.ok);
    assert.ok(!new TextDecoder().decode(answer.body).includes("192.168."));
  }
});

Deno.test("whom the owner keeps on the relay does not answer there who found its address", () => {
  for (let seed = 1; seed <= 4; seed++) {
    const world = new World(seed);
    const relay = world.host({ grants: ["relay"] });
    const [a, b] = [world.host({ direct: false }), world.host({ nat: "endpoint-independent" })];
    for (const member of [a, b]) member.connect(relay);
    world.run(200);
    b.connect(a, world.join(relay, a, b));
    world.run(200);
    const asked = a.call(b, "path.candidates", { addresses: [a.local] });
    assertStays(world, relay, a, b);
    assert.ok(a.result(asked)?.ok);
    assert.ok(b.sentTo(a.local) > 0, "b never tried");
  }
});

Deno.test("whom the owner keeps on the relay opens no session where a record points", () => {
  const world = new World();
  const [a, b] = [world.host({ direct: false }), world.host()];
  const token = a.connect(b, b.local, world.key, "record");
  world.run(1_000);
  assert.equal(reasonOf(a, token), "unwanted");
  assert.deepEqual(a.heard("transmit"), []);
  a.connect(b, b.local, world.key, "person");
  world.run(200);
  assert.ok(a.machine.view.isConnected(b.peer), "a relay that a person named is met");
});

Deno.test("a member that forges where it is when it comes gets a victim a few pings and no more", () => {
  const world = new World();
  const [attacker, host] = [world.host(), world.host()];
  const victim = asPath(`${VICTIM}:53`);
  const nowhere = asPath("198.51.100.99:1"); // the test carries what is said
  attacker.connect(host, nowhere);
  const words = (type: number) =>
    attacker.heard("transmit").map(({ bytes }) => bytes).findLast((bytes) => bytes[3] === type) ??
      assert.fail(`no message of type ${type}`);
  const say = (path: Path, type: number) =>
    host.take({ type: "datagram", path, bytes: words(type) });
  say(victim, 1);
  world.run(1_000);
  say(attacker.local, 1);
  const answer = host.heard("transmit").at(-1)?.bytes ?? assert.fail();
  attacker.take({ type: "datagram", path: nowhere, bytes: answer });
  say(victim, 3);
  say(victim, 8);
  attacker.isUp = false;
  assert.equal(host.heard("peer-up")[0]?.path, victim);
  const before = sentTo(host, VICTIM).datagrams;
  world.run(60_000);
  const pings = sentTo(host, VICTIM).datagrams - before;
  assert.ok(pings <= 3, `${pings} pings`);
});
