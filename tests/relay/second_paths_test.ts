/** What relays tell of others, and the second paths that they carry. */
import assert from "node:assert/strict";
import type { NetworkId, NodeId } from "../../src/base/mod.ts";
import { peerKey } from "../../src/base/mod.ts";
import { at, Client, type Got } from "./client_rig.ts";
import { asPath } from "../../src/wire/mod.ts";
import { NET, only, peer } from "./rig.ts";

const ONE = "203.0.113.1:9000";
const TWO = "203.0.113.2:9000";
const BOB_AT = "198.51.100.2:2";
const BOB = peer("bob");

/** A member with two relays that are there. */
function client(): Client {
  const rig = new Client();
  rig.enter(at("r1", ONE), at("r2", TWO));
  rig.up("r1", { path: ONE });
  rig.up("r2", { path: TWO });
  return rig;
}

/** A direct peer that is busy; what is asked for it comes out. */
function busy(rig: Client): Got[] {
  rig.up("bob", { path: BOB_AT, grants: ["provide"] });
  return rig.demand("bob", "busy");
}

function paths(out: readonly Got[]): string[] {
  return only(out, "add-path").map(({ peer, path }) => `${peer} ${path}`);
}

function asked(out: readonly Got[]): string[] {
  return only(out, "ask").map(({ peer, question }) => `${peer} for ${question.peer}`);
}

// Sightings -------------------------------------------------------------------------------------------

function offer(rig: Client, from: string, offer: { peer: string; address: string }): Got[] {
  const question = { session: 7, ...offer };
  return rig.put({ type: "asked", call: 3, from: peer(from), name: "relay.offer", question });
}

const TOLD = { peer: "bob", address: "203.0.113.7:1" };
const REFUSED = [{
  type: "reply",
  call: 3,
  ok: false,
  refused: { code: "not-allowed", message: "Only a relay says where it sees others" },
}];

Deno.test("a relay's word about another member counts", () => {
  assert.deepEqual(offer(client(), "r1", TOLD), [
    { type: "server-reflexive", peer: BOB, address: TOLD.address },
    { type: "reply", call: 3, name: "relay.offer", ok: true, answer: {} },
  ]);
});

Deno.test("a relay counts that is not kept as one, too", () => {
  const rig = client();
  rig.up("other", { path: "203.0.113.3:9000" });
  assert.equal(only(offer(rig, "other", TOLD), "server-reflexive").length, 1);
});

Deno.test("a member without the grant to relay tells of nobody, nor one that went", () => {
  const rig = client();
  rig.up("eve", { grants: ["rent", "provide"] });
  assert.deepEqual(offer(rig, "eve", TOLD), REFUSED);
  rig.down("r1");
  assert.deepEqual(offer(rig, "r1", TOLD), REFUSED);
  assert.deepEqual(offer(rig, "nobody", TOLD), REFUSED);
});

Deno.test("a relay does not tell of itself", () => {
  assert.deepEqual(offer(client(), "r1", { ...TOLD, peer: "r1" }), REFUSED);
});

Deno.test("a relay on the internet does not aim us at a private network", () => {
  const places = [
    "10.0.0.1:22",
    "192.168.1.1:1",
    "100.64.0.1:1",
    "[fd00::1]:1",
    "127.0.0.1:1",
    "x",
  ];
  for (const address of places) {
    const [first, ...more] = offer(client(), "r1", { peer: "bob", address });
    assert.deepEqual([first?.type, more], ["reply", []], address);
  }
});

Deno.test("a relay on a LAN, or on this machine, sees the others there", () => {
  for (const [path, address] of [["10.0.0.9:9000", "10.1.0.1:1"], ["127.0.0.1:1", "127.0.0.1:2"]]) {
    const rig = client();
    rig.up("lan", { path: path ?? "" });
    const out = offer(rig, "lan", { peer: "bob", address: address ?? "" });
    assert.equal(only(out, "server-reflexive").length, 1, path);
  }
});

Deno.test("a relay that has no path tells public addresses alone", () => {
  const rig = client();
  rig.move("r1", null);
  for (const [address, count] of [["10.0.0.1:22", 0], ["203.0.113.1:1", 1]] as const) {
    const out = offer(rig, "r1", { peer: "bob", address });
    assert.equal(only(out, "server-reflexive").length, count, address);
  }
});

Deno.test("what a relay told another part is judged by the same rule", () => {
  const rig = client();
  const saw = { type: "relay-saw", relay: peer("r1"), peer: BOB } as const;
  const address = "203.0.113.7:1";
  assert.deepEqual(rig.put({ ...saw, address }), [{
    type: "server-reflexive",
    peer: BOB,
    address,
  }]);
  assert.deepEqual(rig.put({ ...saw, address: "10.0.0.1:22" }), []);
});

// Second paths ----------------------------------------------------------------------------------------

Deno.test("a direct peer that becomes busy gets a path through a relay", () => {
  const rig = client();
  const out = busy(rig);
  assert.deepEqual(out, [{
    type: "ask",
    token: 3,
    peer: peer("r1"),
    name: "relay.allocate",
    question: { peer: "bob" },
    timeoutMs: 5_000,
  }]);
  assert.deepEqual(rig.answer(out, { session: 0xabc, address: BOB_AT }), [
    { type: "server-reflexive", peer: BOB, address: BOB_AT },
    { type: "add-path", peer: BOB, path: `${ONE}#00000abc` },
  ]);
});

Deno.test("a peer that is not busy, or not there, or reached through a relay, gets none", () => {
  const rig = client();
  assert.deepEqual(rig.demand("bob", "busy"), []);
  assert.deepEqual(rig.up("bob", { path: `${ONE}#00000001` }), []);
  rig.relayed.add(BOB);
  assert.deepEqual(rig.move("bob", BOB_AT), [], "the one that it came by is the second now");
  rig.relayed.clear();
  rig.demand("bob", "warm");
  assert.deepEqual(rig.move("bob", "198.51.100.2:3"), []);
});

Deno.test("a busy peer that becomes direct gets a path through a relay", () => {
  const rig = client();
  rig.demand("bob", "busy");
  assert.deepEqual(asked(rig.move("bob", BOB_AT)), [`${peer("r1")} for bob`]);
});

Deno.test("one question at a time is asked for a peer", () => {
  const rig = client();
  const out = busy(rig);
  assert.deepEqual(rig.demand("bob", "busy"), []);
  assert.deepEqual(rig.move("bob", "198.51.100.2:3"), []);
  rig.answer(out, { session: 1, address: BOB_AT });
  rig.relayed.add(BOB);
  assert.deepEqual(rig.demand("bob", "busy"), []);
});

Deno.test("where one relay has no path another is asked, and then nobody, until a relay comes", () => {
  const rig = client();
  const second = rig.answer(busy(rig), null);
  assert.deepEqual(asked(second), [`${peer("r2")} for bob`]);
  assert.deepEqual(rig.answer(second, null), []);
  rig.down("r1");
  const back = rig.up("r1", { path: ONE });
  assert.deepEqual(asked(back), [`${peer("r1")} for bob`]);
  assert.deepEqual(paths(rig.answer(back, { session: 2, address: BOB_AT })), [
    `${BOB} ${ONE}#00000002`,
  ]);
});

Deno.test("a relay that comes is asked for each busy peer of its network that lacks a path", () => {
  const rig = new Client();
  rig.enter(at("r1", ONE));
  for (const name of ["ann", "bob", "cat", "r1"]) {
    rig.up(name, { path: BOB_AT, grants: [] });
    rig.demand(name, "busy");
  }
  rig.relayed.add(peer("ann"));
  rig.demand("cat", "warm");
  const foreign = peerKey("other" as NetworkId, "bob" as NodeId);
  rig.put(
    { type: "peer-moved", peer: foreign, path: asPath(BOB_AT) },
    { type: "demand", peer: foreign, demand: "busy" },
  );
  assert.deepEqual(asked(rig.up("r1", { path: ONE })), [`${peer("r1")} for bob`]);
  assert.deepEqual(asked(rig.up("r1", { path: ONE, renewed: true })), [], "it was there");
});

Deno.test("a peer that comes and goes, and takes no offer, does not spend our questions", () => {
  const rig = client();
  rig.answer(rig.answer(busy(rig), null), null);
  let questions = 0;
  for (let i = 0; i < 400; i++) {
    let out = i % 2 === 0 ? rig.demand("bob", "busy") : rig.down("bob", "left");
    if (i % 2 === 1) out = rig.up("bob", { path: BOB_AT, grants: ["provide"] });
    for (; asked(out).length > 0; out = rig.answer(out, null)) questions++;
    rig.advance(25);
  }
  assert.ok(questions >= 2 && questions <= 20, `${questions} questions in 10 s`);
  rig.advance(60_000);
  assert.equal(asked(rig.up("bob", { path: BOB_AT, grants: ["provide"] })).length, 1);
});

Deno.test("a relay is asked for a path to another relay, never to itself", () => {
  const rig = client();
  assert.deepEqual(asked(rig.demand("r1", "busy")), [`${peer("r2")} for r1`]);
});

Deno.test("a relay that went before it answered carries nothing, and the next one is asked", () => {
  const rig = client();
  const out = busy(rig);
  rig.down("r1");
  const next = rig.answer(out, { session: 1, address: BOB_AT });
  assert.deepEqual(paths(next), []);
  assert.deepEqual(asked(next), [`${peer("r2")} for bob`]);
});

Deno.test("a peer that is busy no longer, or got a relayed path meanwhile, gets none", () => {
  for (const over of ["hold", "relayed", "down"] as const) {
    const rig = client();
    const out = busy(rig);
    if (over === "hold") rig.demand("bob", "hold");
    if (over === "relayed") rig.relayed.add(BOB);
    if (over === "down") rig.down("bob");
    assert.deepEqual(paths(rig.answer(out, { session: 1, address: BOB_AT })), [], over);
    const again = client();
    const failed = busy(again);
    if (over === "hold") again.demand("bob", "hold");
    if (over === "relayed") again.relayed.add(BOB);
    if (over === "down") again.down("bob");
    assert.deepEqual(again.answer(failed, null), [], over);
  }
});

Deno.test("a peer that is busy again while an old question is under way is asked for anew", () => {
  const rig = client();
  const old = busy(rig);
  rig.demand("bob", "hold");
  const anew = rig.demand("bob", "busy");
  assert.deepEqual(asked(anew), [`${peer("r1")} for bob`]);
  assert.deepEqual(paths(rig.answer(old, { session: 1, address: BOB_AT })), []);
  assert.equal(paths(rig.answer(anew, { session: 1, address: BOB_AT })).length, 1);
});

Deno.test("a network that is left gives no second paths", () => {
  const rig = client();
  rig.put({ type: "network-left", network: NET });
  assert.deepEqual(busy(rig), []);
});

Deno.test("a relay on the internet that is asked for a path does not aim us at a private network", () => {
  const rig = client();
  const out = rig.answer(busy(rig), { session: 0xabc, address: "10.0.0.1:22" });
  assert.deepEqual(out.map(({ type }) => type), ["add-path"]);
});

Deno.test("more busy peers than there is room for do without, and those that were there keep theirs", () => {
  const rig = client();
  const room = 4_096;
  for (let i = 0; i <= room; i++) rig.up(`peer-${i}`, { path: BOB_AT, grants: ["provide"] });
  for (let i = 0; i < room; i++) assert.equal(asked(rig.demand(`peer-${i}`, "busy")).length, 1);
  assert.deepEqual(rig.demand(`peer-${room}`, "busy"), []);
  rig.demand("peer-0", "hold");
  assert.equal(rig.demand(`peer-${room}`, "busy").length, 0, "its old question is under way");
});

Deno.test("of more peers than may have a session the oldest is forgotten, whatever it may do", () => {
  const rig = client();
  const room = 16_384;
  for (let i = 0; i < room - 1; i++) rig.up(`peer-${i}`, { path: BOB_AT, grants: [] });
  assert.deepEqual(offer(rig, "r1", TOLD), REFUSED);
  assert.equal(only(offer(rig, "r2", TOLD), "server-reflexive").length, 1);
});
