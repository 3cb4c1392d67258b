/** Whole nodes: sessions, calls and paths together, on a simulated network. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type PeerKey, peerKey } from "../../src/base/mod.ts";
import { generateIdentity } from "../../src/crypto/mod.ts";
import {
  createNetwork,
  epochSecrets,
  inviteSecrets,
  nothingRevoked,
  signRevocation,
  verifyRevocation,
} from "../../src/membership/mod.ts";
import { encodeBody, encodeRefusal, parseAnswer, parseRefusal } from "../../src/node/mod.ts";
import type { SessionKey } from "../../src/session/mod.ts";
import { asPath, pathSource } from "../../src/wire/mod.ts";
import { connected, EPOCH_MS, type Host, type NatKind, World } from "./world.ts";

const DAY_MS = 86_400_000;

/** Runs with some seeds; a failure names the one that fails. */
function everySeed(count: number, run: (seed: number) => void): void {
  for (let seed = 1; seed <= count; seed++) {
    try {
      run(seed);
    } catch (cause) {
      throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  }
}

// Sessions ---------------------------------------------------------------------------------------

Deno.test("two members meet, and each sees what the other may do", () => {
  const world = new World();
  const [a, b] = [world.host({ grants: ["rent"] }), world.host({ grants: ["provide"] })];
  a.connect(b);
  world.run(200);
  const [atA] = a.heard("peer-up");
  const [atB] = b.heard("peer-up");
  assert.deepEqual(atA?.member.grants, ["provide"]);
  assert.deepEqual(atB?.member.grants, ["rent"]);
  assert.deepEqual([atA?.peer, atA?.initiator, atA?.renewed], [b.peer, true, false]);
  assert.deepEqual([atB?.peer, atB?.initiator, atB?.renewed], [a.peer, false, false]);
  assert.deepEqual([a.path(b), b.path(a)], [b.local, a.local]);
});

Deno.test("members who begin at once get one session, and both beginnings end well", () => {
  everySeed(10, (seed) => {
    const world = new World(seed);
    world.weather = { loss: 0, duplication: 0, delayMs: { min: 5, max: 60 } };
    const [a, b] = [world.host(), world.host()];
    const tokens = [a.connect(b), b.connect(a)];
    world.run(1_000);
    const ended = [...a.heard("connected"), ...b.heard("connected")].map(({ token }) => token);
    assert.deepEqual(ended, tokens);
    assert.equal(a.heard("connect-failed").length + b.heard("connect-failed").length, 0);
  });
});

Deno.test("beginning twice, by two ways, ends both beginnings with the one session", () => {
  const world = new World();
  const { a, b, path } = relayed(world);
  const [first, second] = [a.connect(b, asPath(path)), a.connect(b, asPath(path))];
  world.run(500);
  const ended = a.heard("connected").map(({ token }) => token);
  assert.ok(ended.includes(first) && ended.includes(second));
});

Deno.test("nobody at an address fails once, after the time of a handshake", () => {
  const world = new World();
  const [a, b] = [world.host(), world.host()];
  b.isUp = false;
  const token = a.connect(b);
  world.run(10_000);
  const expected = [{ type: "connect-failed", token, reason: "timeout", detail: null }];
  assert.deepEqual(a.heard("connect-failed"), expected);
});

Deno.test("another node than the expected one is refused before it learns who asks", () => {
  const world = new World();
  const [a, b, c] = [world.host(), world.host(), world.host()];
  a.connect(b, c.local);
  world.run(10_000);
  assert.deepEqual(a.heard("connect-failed").map(({ reason }) => reason), ["wrong-peer"]);
  assert.deepEqual(c.heard("peer-up"), []);
});

Deno.test("whoever answers at an address may be taken where nobody is named", () => {
  const world = new World();
  const [a, b] = [world.host(), world.host()];
  const { shown: payload } = a;
  a.take({
    type: "connect",
    token: 9,
    peer: null,
    path: b.local,
    named: "person",
    key: world.key,
    payload,
  });
  world.run(200);
  assert.deepEqual(a.heard("connected"), [{ type: "connected", token: 9, peer: b.peer }]);
});

Deno.test("a member whose certificate is over is told so and gets no session", () => {
  const world = new World();
  const [a, b] = [world.host({ issuedMs: -31 * DAY_MS }), world.host()];
  a.connect(b);
  world.run(10_000);
  const [failed] = a.heard("connect-failed");
  assert.deepEqual([failed?.reason, failed?.detail], ["refused", "expired"]);
  assert.deepEqual([a.heard("peer-up"), b.heard("peer-up")], [[], []]);
});

Deno.test("a member that was removed gets no session, and none is begun with it", () => {
  const world = new World();
  const [a, b] = [world.host(), world.host()];
  const { revocations, network, authority } = world;
  const order = { by: authority, network: network.network, subject: a.identity.id };
  const checks = { network: order.network, nowMs: EPOCH_MS, isRevoked: nothingRevoked };
  const revocation = verifyRevocation(signRevocation({ ...order, nowMs: EPOCH_MS }), checks);
  assert.ok(revocation.ok && revocations.add(revocation.value));
  a.connect(b);
  b.connect(a);
  world.run(10_000);
  assert.deepEqual([a.heard("peer-up"), b.heard("peer-up")], [[], []]);
  assert.equal(b.heard("connect-failed")[0]?.reason, "unverified");
});

Deno.test("a stranger without the network's key hears nothing at all", () => {
  const world = new World();
  const [a, b] = [world.host(), world.host()];
  const other = createNetwork({ name: "other", random: world.random });
  const [epoch] = other.epochs;
  assert.ok(epoch);
  const key: SessionKey = {
    ...epochSecrets(other.network, epoch),
    network: other.network,
    kind: "epoch",
  };
  a.connect(b, b.local, key);
  world.run(10_000);
  assert.equal(a.heard("connect-failed")[0]?.reason, "timeout");
  assert.deepEqual(b.heard("transmit"), []);
});

Deno.test("a farewell ends the session at once, and both ends say why", () => {
  const world = new World();
  const [a, b] = connected(world);
  a.take({ type: "disconnect", peer: b.peer, kind: "epoch" });
  world.run(100);
  const reasons = [a, b].map((host) => host.heard("peer-down").map(({ reason }) => reason));
  assert.deepEqual(reasons, [["closed"], ["left"]]);
  assert.deepEqual([a.path(b), b.path(a)], [null, null]);
  assert.deepEqual([a, b].map((host) => host.heard("routes").at(-1)?.accept), [[], []]);
});

Deno.test("a node that was started anew is met again, over the old session", () => {
  const world = new World();
  const [a, b] = connected(world);
  b.restart();
  b.connect(a);
  world.run(300);
  assert.deepEqual(a.heard("peer-up").map(({ renewed }) => renewed), [false, true]);
  b.onRequest = () => ({ ok: true, body: {} });
  const token = a.call(b, "renew", { c: new Uint8Array(8) });
  world.run(300);
  assert.equal(a.result(token)?.ok, true);
});

Deno.test("a session that is used is renewed for hours without being lost", () => {
  const world = new World();
  const [a, b] = connected(world);
  world.run(2 * 3_600_000);
  assert.ok(a.heard("peer-up").length >= 50, "it was not renewed");
  assert.deepEqual([a.heard("peer-down"), b.heard("peer-down")], [[], []]);
  assert.deepEqual([a.heard("moved").length, b.heard("moved").length], [1, 1]);
  assert.equal(a.machine.view.pathsOf(b.peer, world.now).length, 1);
});

Deno.test("what a member sends with another's address is no sign that the other is there", () => {
  const world = new World();
  const [a, b] = connected(world);
  const c = world.host();
  c.connect(b);
  world.run(500);
  const from = (host: Host, path: string) => {
    host.call(b, "ping", {});
    const bytes = host.heard("transmit").at(-1)?.bytes ?? new Uint8Array();
    const before = b.heard("heard").length;
    b.take({ type: "datagram", path: asPath(path), bytes });
    return b.heard("heard").slice(before).map((each) => each.path);
  };
  assert.deepEqual(from(c, a.local), []);
  assert.deepEqual(from(a, a.local), [a.local]);
});

Deno.test("the data path knows whom an answer may name before it can come", () => {
  const world = new World();
  const [a, b] = connected(world);
  for (const { said } of [a, b]) {
    const types = said.map(({ type }) => type).filter((type) => /receivers|transmit/.test(type));
    assert.deepEqual(types.slice(0, 2), ["receivers", "transmit"]);
  }
});

// Calls ------------------------------------------------------------------------------------------

Deno.test("a call is executed once and answered once, whatever the network repeats or loses", () => {
  everySeed(10, (seed) => {
    const world = new World(seed);
    const [a, b] = connected(world);
    world.weather = { loss: 0.2, duplication: 0.3, delayMs: { min: 5, max: 80 } };
    b.onRequest = () => ({ ok: true, body: { some: new Uint8Array(1_000) } });
    const tokens = Array.from({ length: 20 }, () => a.call(b, "vm.status", { vms: [] }));
    world.run(15_000);
    for (const token of tokens) assert.equal(a.result(token)?.ok, true);
    assert.equal(b.heard("request").length, tokens.length);
  });
});

Deno.test("the body of an answer arrives as it was given, and so does a refusal's", () => {
  const world = new World();
  const [a, b] = connected(world);
  const refusal = { code: "provider-full", message: "no room" };
  b.onRequest = ({ name }) =>
    name === "vm.status" ? { ok: true, body: { vms: [] } } : { ok: false, body: refusal };
  const [status, renewal] = [
    a.call(b, "vm.status", { vms: [] }),
    a.call(b, "renew", { c: new Uint8Array(1) }),
  ];
  world.run(500);
  const [good, bad] = [a.result(status), a.result(renewal)];
  assert.ok(good?.ok && bad?.ok === false && bad.reason === "refused");
  const value = { vms: [] };
  assert.deepEqual(parseAnswer("vm.status", good.body), { ok: true, value });
  assert.deepEqual(parseRefusal(bad.body), refusal);
});

Deno.test("a call that nobody answers ends in time, once", () => {
  const world = new World();
  const [a, b] = connected(world);
  const token = a.call(b, "vm.status", { vms: [] }, 2_000);
  world.run(1_999);
  assert.equal(a.result(token), undefined);
  world.run(2);
  assert.deepEqual(a.result(token), { ok: false, reason: "timeout" });
});

Deno.test("a call that was given up says nothing any more", () => {
  const world = new World();
  const [a, b] = connected(world);
  const token = a.call(b, "vm.status", { vms: [] }, 2_000);
  a.take({ type: "cancel", token });
  world.run(10_000);
  assert.equal(a.result(token), undefined);
});

Deno.test("a call to a peer without a session ends in time", () => {
  const world = new World();
  const [a, b] = [world.host(), world.host()];
  const token = a.call(b, "vm.status", { vms: [] }, 1_000);
  world.run(1_100);
  assert.equal(a.result(token)?.ok, false);
});

Deno.test("the machine answers a ping by itself, in one round trip", () => {
  const world = new World();
  const [a, b] = connected(world);
  const token = a.call(b, "ping", {});
  world.run(21);
  assert.deepEqual(a.result(token), { ok: true, body: encodeBody({}) });
  assert.deepEqual(b.heard("request"), []);
});

Deno.test("a peer that asks without end is refused by the machine, and is answered again in time", () => {
  const world = new World();
  const [a, b] = connected(world);
  b.onRequest = () => ({ ok: true, body: { vms: [] } });
  const ask = () => {
    const token = a.call(b, "vm.status", { vms: [] });
    world.run(21);
    return a.result(token);
  };
  const results = Array.from({ length: 900 }, ask);
  const refused = results.find((result) => result?.ok === false);
  assert.ok(refused?.ok === false && refused.reason === "refused");
  assert.match(parseRefusal(refused.body).message, /too often/);
  assert.equal(b.heard("request").length, results.filter((result) => result?.ok).length);
  world.run(1_000);
  assert.equal(ask()?.ok, true);
});

Deno.test("a call that no version knows reaches the host, which may refuse it", () => {
  const world = new World();
  const [a, b] = connected(world);
  b.onRequest = () => ({ ok: false, body: { code: "unsupported", message: "not served" } });
  const token = a.call(b, "no.such-call" as "ping", {});
  world.run(200);
  assert.equal(b.heard("request")[0]?.name, "no.such-call");
  const result = a.result(token);
  assert.ok(result?.ok === false && result.reason === "refused");
  assert.equal(parseRefusal(result.body).code, "unsupported");
});

Deno.test("a host's answer to a call that is over harms nothing", () => {
  const world = new World();
  const [a, b] = connected(world);
  const body = encodeRefusal({ code: "refused", message: "late" });
  b.take({ type: "answer", peer: a.peer, kind: "epoch", call: "00".repeat(16), ok: false, body });
  world.run(100);
  assert.equal(a.heard("called").length, 0);
});

// Invites ----------------------------------------------------------------------------------------

/** A joiner's session with an admitter, by the secret of an invite. */
function joining(
  world: World,
  meanwhile: (joiner: Host, admitter: Host) => void = () => {},
): { joiner: Host; admitter: Host; peer: PeerKey } {
  const [joiner, admitter] = [world.host(), world.host({ grants: ["admit"] })];
  const { network } = world.network;
  const key = { ...inviteSecrets(new Uint8Array(32).fill(5)), network, kind: "invite" as const };
  const accepted = { ...key, payload: admitter.shown };
  admitter.take({ type: "keys", keys: [...admitter.sim.accepted, accepted] });
  const payload = new Uint8Array();
  const peer = admitter.identity.id;
  joiner.take({
    type: "connect",
    token: 1,
    peer,
    path: admitter.local,
    named: "person",
    key,
    payload,
  });
  meanwhile(joiner, admitter);
  world.run(300);
  return { joiner, admitter, peer: peerKey(network, peer) };
}

/** A call of the joiner's, as if it came from `path`; the paths on which the admitter then hears. */
function heardFrom(joiner: Host, admitter: Host, path: string): string[] {
  const body = encodeBody({});
  const peer = admitter.peer;
  joiner.take({
    type: "call",
    token: 77,
    peer,
    kind: "invite",
    name: "ping",
    body,
    timeoutMs: 900,
  });
  const bytes = joiner.heard("transmit").at(-1)?.bytes ?? new Uint8Array();
  const before = admitter.heard("heard").length;
  admitter.take({ type: "datagram", path: asPath(path), bytes });
  return admitter.heard("heard").slice(before).map((each) => each.path);
}

Deno.test("what a joiner sends with another's address is no sign that the other is there", () => {
  for (const path of ["198.51.100.7:9000", ""]) {
    const { joiner, admitter } = joining(new World());
    const expected = path === "" ? [joiner.local] : [];
    assert.deepEqual(heardFrom(joiner, admitter, path || joiner.local), expected);
  }
});

Deno.test("a joiner whose hello was answered at two addresses has proved to be at neither", () => {
  const world = new World();
  const { joiner, admitter } = joining(world, (joiner, admitter) => {
    const hello = joiner.heard("transmit").at(-1)?.bytes ?? new Uint8Array();
    world.inject(admitter, "198.51.100.7:9000", hello); // before its own, which waits for its answer
    world.run(4_000);
  });
  assert.equal(admitter.heard("peer-up").length, 1);
  assert.deepEqual(heardFrom(joiner, admitter, joiner.local), []);
});

Deno.test("a joiner comes in with no grants, in a session that is no member's", () => {
  const { joiner, admitter } = joining(new World());
  const [up] = admitter.heard("peer-up");
  assert.deepEqual([up?.kind, up?.member.grants, up?.member.certificate], ["invite", [], null]);
  assert.equal(joiner.heard("peer-up")[0]?.kind, "invite");
  assert.equal(admitter.machine.view.isConnected(joiner.peer), false);
  assert.equal(admitter.machine.view.sourceOf(joiner.peer, "invite"), pathSource(joiner.local).key);
  assert.deepEqual([admitter.heard("routes"), joiner.heard("routes")], [[], []]);
});

Deno.test("by an invite that is over nobody comes in, and hears why", () => {
  const world = new World();
  const { joiner, admitter, peer } = joining(world);
  joiner.take({ type: "disconnect", peer, kind: "invite" });
  const { network } = world.network;
  const key = { ...inviteSecrets(new Uint8Array(32).fill(5)), network, kind: "invite" as const };
  const refused = [{ ...key, reason: "invite-revoked" }];
  admitter.take({ type: "keys", keys: admitter.sim.accepted, refused });
  const input = { type: "connect", token: 9, named: "person", path: admitter.local } as const;
  joiner.take({ ...input, peer: admitter.identity.id, key, payload: new Uint8Array() });
  world.run(300);
  assert.deepEqual(
    joiner.heard("connect-failed").map(({ token, reason, detail }) => [token, reason, detail]),
    [
      [9, "refused", "invite-revoked"],
    ],
  );
  assert.equal(admitter.heard("peer-up").length, 1);
});

Deno.test("a joiner's call is handed over as a joiner's, also one that members have answered", () => {
  const world = new World();
  const { joiner, admitter, peer } = joining(world);
  for (const [token, name] of [[2, "redeem"], [3, "ping"], [4, "path.candidates"]] as const) {
    const body = encodeBody({});
    joiner.take({ type: "call", token, peer, kind: "invite", name, body, timeoutMs: 5_000 });
  }
  world.run(300);
  const asked = admitter.heard("request").map(({ name, kind }) => `${kind} ${name}`);
  assert.deepEqual(asked.toSorted(), ["invite path.candidates", "invite ping", "invite redeem"]);
});

Deno.test("a joiner's session ends with its farewell", () => {
  const world = new World();
  const { joiner, admitter, peer } = joining(world);
  joiner.take({ type: "disconnect", peer, kind: "invite" });
  world.run(100);
  const [down] = admitter.heard("peer-down");
  assert.deepEqual([down?.kind, down?.reason], ["invite", "left"]);
});

// Paths ------------------------------------------------------------------------------------------

const EASY: readonly [NatKind, NatKind] = ["endpoint-independent", "endpoint-independent"];

const relayed = (world: World, nats = EASY) => world.relayedPair(nats);

Deno.test("two members behind NATs meet over a relay and become direct within two seconds", () => {
  everySeed(5, (seed) => {
    const world = new World(seed);
    const { a, b, path } = relayed(world);
    world.run(2_000);
    for (const [host, other] of [[a, b], [b, a]] as const) {
      const active = host.path(other);
      assert.ok(active !== null && !active.includes("#"), `still ${active}`);
      const routes = host.heard("routes").filter(({ peer }) => peer === other.peer);
      assert.equal(routes.at(-1)?.standby, path);
      assert.ok(routes.every((route) => route.active !== null), "for a moment there was no way");
    }
  });
});

Deno.test("calls under way live through the upgrade from relayed to direct", () => {
  const world = new World(3);
  const { a, b } = relayed(world);
  b.onRequest = () => ({ ok: true, body: { vms: [] } });
  const tokens: number[] = [];
  for (let i = 0; i < 40; i++) {
    tokens.push(a.call(b, "vm.status", { vms: [] }));
    world.run(25);
  }
  world.run(500);
  assert.ok(a.path(b)?.includes("#") === false);
  for (const token of tokens) assert.equal(a.result(token)?.ok, true);
  assert.equal(b.heard("request").length, tokens.length);
});

Deno.test("two members behind symmetric NATs stay on the relay, and try ever more rarely", () => {
  const world = new World();
  const { a, b, path } = relayed(world, ["symmetric", "symmetric"]);
  world.run(60_000);
  assert.deepEqual([a.path(b), b.path(a)], [path, path]);
  const direct = a.heard("transmit").filter(({ path }) => path.startsWith("203.0.113.3:")).length;
  assert.ok(direct < 60, `${direct} datagrams to the other's NAT`);
});

Deno.test("one symmetric NAT of the two may keep them on the relay, but never apart", () => {
  const world = new World();
  const { a, b } = relayed(world, ["symmetric", "endpoint-independent"]);
  world.run(10_000);
  const token = a.call(b, "ping", {});
  world.run(500);
  assert.equal(a.result(token)?.ok, true);
  assert.deepEqual(a.heard("peer-down"), []);
});

Deno.test("when the direct way dies, calls go over the relay again in time", () => {
  const world = new World(2);
  const { a, b, path } = relayed(world);
  world.run(2_000);
  for (const [host, other] of [[a, b], [b, a]] as const) {
    host.take({ type: "use", peer: other.peer, use: "test", demand: "busy" });
  }
  world.run(1_000);
  world.sim.fabric.cut(a.sim.name, b.sim.name);
  world.run(2_500);
  assert.deepEqual([a.path(b), b.path(a)], [path, path]);
  const token = a.call(b, "ping", {});
  world.run(500);
  assert.equal(a.result(token)?.ok, true);
  assert.deepEqual([a.heard("peer-down"), b.heard("peer-down")], [[], []]);
});

Deno.test("a peer that vanished is lost once, its calls end, and it can be met again", () => {
  const world = new World();
  const [a, b] = connected(world);
  a.take({ type: "use", peer: b.peer, use: "test", demand: "busy" });
  const token = a.call(b, "vm.status", { vms: [] }, 60_000);
  world.run(100);
  b.isUp = false;
  world.run(5_000);
  assert.deepEqual(a.heard("peer-down").map(({ reason }) => reason), ["lost"]);
  assert.deepEqual(a.result(token), { ok: false, reason: "gone" });
  assert.deepEqual(a.heard("routes").at(-1)?.accept, []);
  b.isUp = true;
  b.restart();
  a.connect(b);
  world.run(300);
  assert.ok(a.machine.view.isConnected(b.peer));
  assert.equal(a.heard("peer-up").at(-1)?.renewed, false);
});

Deno.test("what the data path says of a path is acted upon", () => {
  const world = new World(2);
  const { a, b, path } = relayed(world);
  world.run(2_000);
  const direct = a.path(b);
  assert.ok(direct !== null);
  a.take({ type: "path-dead", peer: b.peer, path: asPath(direct) });
  assert.equal(a.path(b), path);
  world.run(1_000);
  assert.equal(a.path(b), direct);
});

Deno.test("peers tell where they see us, and their prefixes judge the NAT", () => {
  const world = new World();
  const a = world.host({ nat: "endpoint-independent" });
  const relays = [world.host(), world.host()];
  for (const relay of relays) a.connect(relay);
  world.run(500);
  const [seen] = a.machine.view.observed(world.now);
  assert.match(seen ?? "", /^203\.0\.113\.1:9000$/);
  assert.deepEqual(a.heard("endpoints").map(({ addresses }) => addresses), [[seen]]);
  // Both observers stand in one /24, so they are one voice.
  const judged = a.machine.view.judgeNat("ipv4", world.now);
  assert.deepEqual(judged, { mapping: "unknown", observers: 1 });
});

Deno.test("a change of our own addresses forgets what was observed and asks every path", () => {
  const world = new World();
  const [a, b] = connected(world);
  world.run(100);
  assert.equal(a.machine.view.observed(world.now).length, 1);
  const before = a.sentTo(b.local);
  const local = { addresses: ["192.168.77.7:9000"], prefixes: ["192.168.77.0/24"] };
  a.take({ type: "local", local, advertised: [] });
  assert.equal(a.sentTo(b.local), before + 1);
  assert.deepEqual(a.machine.view.observed(world.now), []);
  a.take({ type: "local", local, advertised: ["198.51.100.7:9000"] });
  assert.equal(a.sentTo(b.local), before + 1, "the same addresses are no change");
});

// Hostile peers ----------------------------------------------------------------------------------

const VICTIM = "[2001:db8::66]:53";
const SPELLINGS = [
  VICTIM,
  "[2001:DB8::66]:53",
  "[2001:0db8::66]:53",
  "[2001:db8:0:0:0:0:0:66]:53",
  "[2001:db8::0:66]:53",
  "[2001:db8::0066]:53",
];

/** What a node sends to an address when its peer names it, again and again. */
function aimed(addresses: readonly string[], times: number): { host: Host; hits: number } {
  const world = new World();
  const { a, b } = relayed(world, ["symmetric", "symmetric"]);
  world.run(100);
  for (let i = 0; i < times; i++) {
    b.call(a, "path.candidates", { addresses: [...addresses] });
    world.run(50);
  }
  world.run(3_000);
  const named = new Set(addresses);
  return { host: a, hits: a.heard("transmit").filter(({ path }) => named.has(path)).length };
}

Deno.test("an address that only the peer names gets three probes and an opener", () => {
  assert.equal(aimed([VICTIM], 1).hits, 1 + 3);
});

Deno.test("no spelling of an address, and no repetition, gets it more", () => {
  assert.equal(aimed(SPELLINGS, 1).hits, 1 + 3);
  assert.equal(aimed(SPELLINGS, 100).hits, 1 + 3);
});

Deno.test("addresses of LANs that we are not in, of loopback and of no use get nothing", () => {
  const addresses = [
    "10.1.2.3:80",
    "192.168.1.1:80",
    "100.64.0.1:80",
    "127.0.0.1:22",
    "[::1]:22",
    "169.254.169.254:80",
    "224.0.0.1:5353",
    "0.0.0.0:1",
    "[fe80::1]:1",
    "[::ffff:127.0.0.1]:22",
  ];
  assert.equal(aimed(addresses, 3).hits, 0);
});

Deno.test("malformed candidates are refused and probe nothing", () => {
  const world = new World();
  const [a, b] = connected(world);
  const body = encodeBody({ addresses: ["not an address"] });
  b.take({
    type: "call",
    token: 77,
    peer: a.peer,
    kind: "epoch",
    name: "path.candidates",
    body,
    timeoutMs: 1_000,
  });
  world.run(1_000);
  const result = b.result(77);
  assert.ok(result?.ok === false && result.reason === "refused");
});

Deno.test("garbage from strangers makes a node neither throw nor answer", () => {
  const world = new World();
  const [a, b] = connected(world);
  const paths = fc.constantFrom(
    b.local,
    "198.51.100.1:1",
    "198.51.100.1:1#00000007",
    "[2001:db8::1]:1",
  );
  const head = fc.constantFrom(
    [],
    [0x6f],
    [0x6f, 0x6d, 1, 1],
    [0x6f, 0x6d, 1, 2],
    [0x6f, 0x6d, 1, 3],
    [0x6f, 0x6d, 1, 8],
    [0x6f, 0x72, 1, 1],
  );
  const before = a.heard("transmit").length;
  fc.assert(fc.property(paths, head, fc.uint8Array({ maxLength: 1_300 }), (path, start, rest) => {
    world.inject(a, path, Uint8Array.of(...start, ...rest));
  }));
  assert.equal(a.heard("transmit").length, before);
  assert.ok(a.machine.view.isConnected(b.peer));
});

Deno.test("every datagram of a session, flipped anywhere, changes nothing", () => {
  const world = new World();
  const [a, b] = connected(world);
  const sent = b.heard("transmit").filter(({ path }) => path === a.local);
  fc.assert(fc.property(fc.nat({ max: sent.length - 1 }), fc.nat(), (i, bit) => {
    const bytes = sent[i]?.bytes.slice() ?? new Uint8Array();
    const at = bit % (bytes.length * 8);
    bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7));
    world.inject(a, b.local, bytes);
  }));
  assert.deepEqual(a.heard("peer-down"), []);
  assert.equal(a.heard("peer-up").length, 1);
});

Deno.test("strangers by the thousand leave a node's peers as they are", () => {
  const world = new World();
  const [a, b] = connected(world);
  const stranger = generateIdentity(world.random).identity;
  assert.ok(stranger.id !== b.identity.id);
  for (let i = 0; i < 2_000; i++) {
    world.inject(a, `198.51.100.${i % 250}:${i + 1}`, world.random.bytes(1_200));
  }
  world.run(60_000);
  assert.ok(a.machine.view.isConnected(b.peer));
  assert.equal(a.machine.view.sessionStats().sessions, 1);
});
