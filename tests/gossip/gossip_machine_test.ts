/** What a node tells of itself, whom, how often; and how it learns of others. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NetworkId, PeerKey } from "../../src/base/mod.ts";
import type { GossipIn } from "../../src/gossip/mod.ts";
import { asPath } from "../../src/wire/mod.ts";
import { type Facts, key, LIFE_MS, NET, Rig, SELF } from "./rig.ts";

const DAY = 86_400_000;

/** A member of the network with a relay that knows its record. */
function settled(): Rig {
  const rig = new Rig();
  rig.join();
  rig.home("r1");
  rig.advance(1_000);
  assert.equal(rig.answerTold(), 1);
  return rig;
}

// Telling ----------------------------------------------------------------------------------------

Deno.test("a relay that is there is told our record, which names it as a home relay", () => {
  const rig = new Rig();
  rig.join("tower");
  rig.home("r1");
  rig.advance(200);
  const [ask, ...others] = rig.asks("record.publish");
  assert.deepEqual([ask?.peer, others], [key("r1"), []]);
  const [order] = rig.signed;
  assert.deepEqual(order?.facts.alias, "tower");
  assert.deepEqual(order?.relays, [{ id: "r1", addresses: ["203.0.113.1:2"] }]);
  assert.equal(rig.machine.record(key(SELF))?.seq, order?.seq, "ours is among those that we know");
});

Deno.test("our record names three home relays at most", () => {
  const rig = new Rig();
  rig.join();
  rig.home("r1", "r2", "r3", "r4");
  rig.advance(200);
  assert.deepEqual(rig.signed[0]?.relays.map(({ id }) => id), ["r1", "r2", "r3"]);
  assert.equal(rig.asks("record.publish").length, 4, "but all are told");
});

Deno.test("the number of a record is kept before it is told", () => {
  const rig = new Rig();
  rig.join();
  rig.home("r1");
  const out = rig.advance(200);
  const kept = out.findIndex(({ type }) => type === "keep");
  const asked = out.findIndex(({ type }) => type === "ask");
  assert.ok(kept >= 0 && kept < asked);
  const seq = rig.signed[0]?.seq;
  assert.deepEqual(rig.take("keep"), [{ type: "keep", key: "record-seq", value: seq }]);
});

Deno.test("a relay that comes and goes all the time has us sign, keep and tell seldom, and the end of it", () => {
  const rig = settled();
  rig.take("keep");
  for (let i = 0; i < 400; i++) {
    rig.relays(i % 2 === 0 ? ["r1", "r2"] : ["r1"]);
    rig.advance(150);
    rig.answerTold();
  }
  const kept = rig.take("keep").length;
  assert.ok(kept > 0 && kept <= 16 + 60 / 5, `${kept} writes a minute`);
  rig.relays(["r1", "r3"]);
  rig.advance(5_000);
  assert.deepEqual(rig.signed.at(-1)?.relays.map(({ id }) => id), ["r1", "r3"]);
});

Deno.test("changes in quick order are told once, and a record is told again before it is over", () => {
  const rig = settled();
  for (let i = 0; i < 10; i++) rig.join(`me-${i}`);
  rig.advance(1_000);
  assert.equal(rig.answerTold(), 1);
  for (let third = 1; third <= 3; third++) {
    rig.advance(LIFE_MS / 3);
    assert.equal(rig.answerTold(), 1, `third ${third}`);
  }
});

Deno.test("a record that says what it said is neither signed nor kept nor told again", () => {
  const rig = settled();
  rig.take("keep");
  for (let i = 0; i < 20; i++) {
    rig.join();
    rig.relays(["r1"]);
    rig.advance(1_000);
  }
  assert.deepEqual([rig.asks("record.publish"), rig.take("keep")], [[], []]);
  rig.do({ type: "peer-down", peer: key("r1"), reason: "lost" });
  rig.home("r1"); // a relay that comes back may have begun anew
  rig.advance(1_000);
  assert.equal(rig.answerTold(), 1);
  assert.deepEqual(rig.take("keep"), []);
  rig.join("another");
  rig.advance(1_000);
  assert.deepEqual([rig.answerTold(), rig.take("keep").length], [1, 1]);
});

Deno.test("a session that is renewed tells a relay nothing anew", () => {
  const rig = settled();
  rig.do({ type: "peer-up", peer: key("r1"), grants: ["relay"], renewed: true });
  rig.advance(10_000);
  assert.deepEqual(rig.asks("record.publish"), []);
  rig.do({ type: "peer-up", peer: key("r1"), grants: ["relay"], renewed: false });
  rig.advance(10_000);
  assert.equal(rig.answerTold(), 1);
});

Deno.test("changes that follow each other without end keep nothing from being told", () => {
  const rig = settled();
  rig.join("another");
  let told = 0;
  for (let i = 0; i < 100; i++) {
    rig.join("another");
    rig.advance(50);
    told += rig.answerTold();
  }
  assert.equal(told, 1);
});

Deno.test("a record that a relay did not take is told it again, ever more rarely", () => {
  const rig = new Rig();
  rig.join();
  rig.home("r1");
  const at: number[] = [];
  for (let ms = 0; ms < 120_000; ms += 50) {
    rig.advance(50);
    if (rig.answerTold(false) > 0) at.push(rig.now);
  }
  const waits = at.slice(1).map((ms, i) => ms - (at[i] ?? 0));
  const steps = [1_000, 2_000, 5_000, 15_000, 60_000];
  assert.ok(waits.length >= 5, `${waits}`);
  for (const [i, ms] of steps.entries()) {
    assert.ok(Math.abs((waits[i] ?? 0) - ms) <= ms / 4 + 50, `wait ${i} is ${waits[i]}`);
  }
});

Deno.test("what changed is told at once, also where a relay did not take the last record", () => {
  const rig = new Rig();
  rig.join();
  rig.home("r1");
  for (let i = 0; i < 400; i++) {
    rig.advance(50);
    rig.answerTold(false);
  }
  rig.join("another");
  rig.advance(100);
  assert.equal(rig.answerTold(), 1);
  rig.advance(LIFE_MS / 4);
  assert.equal(rig.answerTold(), 0, "it was taken");
});

Deno.test("the answer to a record that a newer one overtook says nothing of the newer one", () => {
  const rig = new Rig();
  rig.join();
  rig.home("r1");
  rig.advance(100);
  const [first] = rig.asks("record.publish");
  rig.join("another");
  rig.advance(100);
  const [second] = rig.asks("record.publish");
  assert.ok(first && second);
  const answered = (ask: typeof first, ok: boolean) => {
    const result = ok ? { ok, answer: {} } as const : { ok, failed: "timeout" } as const;
    const { token, peer, name } = ask;
    rig.do({ type: "answered", token, peer, name, result } as GossipIn<Facts>);
  };
  answered(first, true);
  answered(second, false);
  rig.advance(2_000);
  assert.equal(rig.answerTold(), 1);
});

Deno.test("each record has a higher number than the one before, whatever the clock does", () => {
  const rig = new Rig({ lastSeq: 2 ** 40 });
  rig.join();
  rig.advance(200);
  for (const skewMs of [-DAY, DAY, 0, -DAY]) {
    rig.skewMs = skewMs;
    rig.join(`at ${skewMs} ${rig.now}`);
    rig.advance(500);
  }
  const numbers = rig.signed.map(({ seq }) => seq);
  assert.equal(numbers.length, 5);
  assert.ok(numbers.every((seq, i) => seq > (numbers[i - 1] ?? 2 ** 40)), `${numbers}`);
});

Deno.test("a number follows the clock, so that a state that was lost does not begin below it", () => {
  const rig = new Rig();
  rig.join();
  rig.advance(200);
  assert.equal(rig.signed[0]?.seq, Math.floor(rig.wallMs() / 1_000));
});

Deno.test("a relay of one network is told nothing of another", () => {
  const rig = settled();
  const other = "other" as NetworkId;
  rig.join("me", other);
  rig.advance(1_000);
  assert.deepEqual(rig.asks("record.publish"), []);
  assert.equal(rig.machine.records(other).length, 1);
});

Deno.test("who was known stays known when the network is told of again, by another membership", () => {
  const rig = settled();
  rig.do({ type: "find", token: 1, peer: key("bob"), timeoutMs: 5_000 });
  const [ask] = rig.asks("record.list");
  assert.ok(ask);
  rig.page(ask, [rig.item({ id: "bob" })]);
  rig.join("other");
  assert.ok(rig.machine.record(key("bob")));
});

Deno.test("of a network that was left nothing is told and nothing known", () => {
  const rig = settled();
  rig.do({ type: "list", token: 1, network: NET, timeoutMs: 5_000 });
  rig.do({ type: "network-left", network: NET });
  assert.equal(rig.take("listed").length, 1);
  rig.advance(LIFE_MS);
  assert.deepEqual([rig.asks("record.publish"), rig.machine.records(NET)], [[], []]);
  rig.do({ type: "list", token: 2, network: NET, timeoutMs: 5_000 });
  assert.deepEqual(rig.take("listed").map(({ token }) => token), [2]);
});

// Announcing -------------------------------------------------------------------------------------

Deno.test("it is announced once the relays that are there took our record", () => {
  const rig = new Rig();
  rig.join();
  rig.home("r1", "r2");
  rig.do({ type: "announce", token: 7, timeoutMs: 3_000 });
  assert.deepEqual(rig.take("announced"), []);
  const [one, two] = rig.asks("record.publish");
  assert.ok(one && two, "at once, not in a moment");
  for (const { token, peer, name } of [one, two]) {
    assert.deepEqual(rig.take("announced"), []);
    rig.do({ type: "answered", token, peer, name, result: { ok: true, answer: {} } });
  }
  assert.deepEqual(rig.take("announced"), [{ type: "announced", token: 7 }]);
});

Deno.test("a relay that does not take our record keeps nobody waiting, nor one that is not there", () => {
  const rig = new Rig();
  rig.join();
  rig.do({ type: "announce", token: 1, timeoutMs: 3_000 });
  assert.deepEqual(rig.take("relay-wanted"), [{ type: "relay-wanted", network: NET }]);
  rig.relays([], true);
  assert.deepEqual(rig.take("announced"), [], "one is being tried");
  rig.relays([]);
  assert.equal(rig.take("announced").length, 1, "in vain");
  rig.home("r1");
  rig.do({ type: "announce", token: 2, timeoutMs: 3_000 });
  rig.answerTold(false);
  assert.equal(rig.take("announced").length, 1);
});

Deno.test("waiting to be announced ends exactly when its time is over", () => {
  const rig = new Rig();
  rig.join();
  rig.do({ type: "announce", token: 1, timeoutMs: 3_000 });
  rig.relays([], true);
  rig.advance(2_999);
  assert.deepEqual(rig.take("announced"), []);
  rig.advance(1);
  assert.equal(rig.take("announced").length, 1);
});

Deno.test("a node without networks is announced at once", () => {
  const rig = new Rig();
  rig.do({ type: "announce", token: 1, timeoutMs: 3_000 });
  assert.equal(rig.take("announced").length, 1);
});

// Reading ----------------------------------------------------------------------------------------

Deno.test("a directory is read page by page, and what is forged or foreign in it is left out", () => {
  const rig = settled();
  rig.do({ type: "list", token: 3, network: NET, timeoutMs: 5_000 });
  const [first] = rig.asks("record.list");
  assert.ok(first);
  assert.deepEqual([first.peer, first.question], [key("r1"), { after: null }]);
  rig.page(first, [rig.item({ id: "one" }), rig.item({ id: "eve", forged: true })], "one");
  const [second] = rig.asks("record.list");
  assert.ok(second);
  assert.deepEqual(second.question, { after: "one" });
  assert.deepEqual(rig.take("listed"), []);
  const foreign = rig.item({ id: "eve", network: "other" as NetworkId });
  rig.page(second, [rig.item({ id: "two" }), foreign, new Uint8Array(9)]);
  assert.deepEqual(rig.take("listed"), [{
    type: "listed",
    token: 3,
    network: NET,
    otherTimes: false,
  }]);
  assert.deepEqual(rig.machine.records(NET).map(({ id }) => id).toSorted(), ["one", "self", "two"]);
});

Deno.test("all relays are read, and one that is silent only ends its own pages", () => {
  const rig = settled();
  rig.home("r1", "r2");
  rig.do({ type: "list", token: 1, network: NET, timeoutMs: 60_000 });
  const [one, two] = rig.asks("record.list");
  assert.ok(one && two);
  const { token, peer, name } = one;
  rig.do({ type: "answered", token, peer, name, result: { ok: false, failed: "timeout" } });
  assert.deepEqual(rig.take("listed"), []);
  rig.page(two, [rig.item({ id: "bob" })]);
  assert.equal(rig.take("listed").length, 1);
  assert.ok(rig.machine.record(key("bob")));
});

Deno.test("records of another time are left out, and that they came is told", () => {
  const rig = settled();
  const record = rig.item({ id: "bob" });
  for (const [days, isOther] of [[-2, true], [0, false], [2, true]] as const) {
    rig.skewMs = days * DAY;
    rig.do({ type: "list", token: 1, network: NET, timeoutMs: 5_000 });
    const [ask] = rig.asks("record.list");
    assert.ok(ask);
    rig.page(ask, [record]);
    assert.deepEqual(rig.take("listed").map((each) => each.otherTimes), [isOther], `${days} days`);
    assert.equal(rig.machine.record(key("bob")) !== undefined, !isOther);
  }
});

Deno.test("a directory without end is read to a limit", () => {
  const rig = settled();
  rig.do({ type: "list", token: 1, network: NET, timeoutMs: 5_000 });
  let pages = 0;
  for (let [ask] = rig.asks("record.list"); ask !== undefined; [ask] = rig.asks("record.list")) {
    assert.ok(++pages <= 900);
    rig.page(ask, [], "z");
  }
  assert.equal(pages, 900);
  assert.equal(rig.take("listed").length, 1);
});

Deno.test("a record that is known is not asked for; one that is not is, until it is there", () => {
  const rig = settled();
  rig.do({ type: "find", token: 1, peer: key("bob"), timeoutMs: 5_000 });
  const [ask] = rig.asks("record.list");
  assert.ok(ask);
  rig.page(ask, [rig.item({ id: "bob" }), rig.item({ id: "carol" })], "carol");
  assert.deepEqual(rig.take("found").map(({ token, record }) => [token, record?.id]), [[1, "bob"]]);
  assert.deepEqual(rig.asks("record.list"), [], "nothing is asked for that nobody seeks");
  rig.do({ type: "find", token: 2, peer: key("carol"), timeoutMs: 5_000 });
  assert.deepEqual(rig.take("found").map(({ token, record }) => [token, record?.id]), [
    [2, "carol"],
  ]);
  assert.deepEqual(rig.asks("record.list"), []);
});

Deno.test("who is sought is found with the first relay that tells of it; the others are not awaited", () => {
  const rig = settled();
  rig.home("r1", "r2");
  rig.do({ type: "find", token: 1, peer: key("bob"), timeoutMs: 60_000 });
  const [one, two] = rig.asks("record.list");
  assert.ok(one && two);
  rig.page(two, [rig.item({ id: "bob" })]);
  assert.deepEqual(rig.take("found").map(({ record }) => record?.id), ["bob"]);
  rig.page(one, [rig.item({ id: "bob" })]);
  rig.advance(60_000);
  assert.deepEqual(rig.take("found"), [], "and that only once");
});

Deno.test("who is known to nobody is found nowhere", () => {
  const rig = settled();
  rig.do({ type: "find", token: 1, peer: key("bob"), timeoutMs: 5_000 });
  const [ask] = rig.asks("record.list");
  assert.ok(ask);
  rig.page(ask, []);
  assert.deepEqual(rig.take("found").map(({ record }) => record), [null]);
});

Deno.test("reading waits for a relay that is being tried, and ends where all were in vain", () => {
  const rig = new Rig();
  rig.join();
  rig.do({ type: "list", token: 1, network: NET, timeoutMs: 60_000 });
  assert.equal(rig.take("relay-wanted").length, 1);
  assert.deepEqual(rig.take("listed"), [], "which there are was not told yet");
  rig.relays([], true);
  rig.advance(10_000);
  assert.deepEqual([rig.asks("record.list"), rig.take("listed")], [[], []]);
  rig.home("r1");
  assert.equal(rig.asks("record.list").length, 1);
  const away = new Rig();
  away.join();
  away.do({ type: "list", token: 2, network: NET, timeoutMs: 60_000 });
  away.relays([]);
  assert.equal(away.take("listed").length, 1);
});

Deno.test("reading ends exactly when its time is over, and a late page is not taken", () => {
  const rig = settled();
  rig.do({ type: "find", token: 1, peer: key("bob"), timeoutMs: 4_000 });
  const [ask] = rig.asks("record.list");
  assert.ok(ask);
  rig.advance(3_999);
  assert.deepEqual(rig.take("found"), []);
  rig.advance(1);
  assert.deepEqual(rig.take("found").map(({ record }) => record), [null]);
  rig.page(ask, [rig.item({ id: "bob" })]);
  assert.deepEqual([rig.machine.record(key("bob")), rig.take("found")], [undefined, []]);
});

Deno.test("where too many read at a time, the next is answered from what is known", () => {
  const rig = settled();
  for (let token = 0; token < 256; token++) {
    rig.do({ type: "list", token, network: NET, timeoutMs: 5_000 });
  }
  assert.deepEqual(rig.take("listed"), []);
  rig.do({ type: "list", token: 256, network: NET, timeoutMs: 5_000 });
  assert.deepEqual(rig.take("listed").map(({ token }) => token), [256]);
});

Deno.test("another node with this node's key is told of", () => {
  const rig = settled();
  const { seq } = rig.machine.record(key(SELF)) ?? assert.fail();
  rig.do({ type: "list", token: 1, network: NET, timeoutMs: 5_000 });
  const [ask] = rig.asks("record.list");
  assert.ok(ask);
  rig.page(ask, [rig.item({ id: SELF, seq, more: "another" }), rig.item({ id: "bob", seq })]);
  const told = rig.take("tell").map(({ level, what }) => [level, what]);
  assert.deepEqual(told, [["error", "another node runs with this node's key"]]);
});

Deno.test("relays are told of when one says that it is one, changes, or is none any more", () => {
  const rig = settled();
  const hear = (...records: Uint8Array[]) => {
    rig.do({ type: "list", token: 1, network: NET, timeoutMs: 5_000 });
    const [ask] = rig.asks("record.list");
    assert.ok(ask);
    rig.page(ask, records);
    return rig.take("relay-records").map(({ relays }) => relays.map(({ id }) => id));
  };
  assert.deepEqual(hear(rig.item({ id: "bob", roles: ["provider"] })), []);
  const relay = rig.item({ id: "r2", roles: ["relay"] });
  assert.deepEqual(hear(relay, rig.item({ id: "carol" })), [["r2"]]);
  assert.deepEqual(hear(relay), []);
  assert.deepEqual(hear(rig.item({ id: "r2", seq: 2 })), [[]]);
  hear(rig.item({ id: "r3", roles: ["relay"] }));
  rig.advance(LIFE_MS + 700_000);
  assert.deepEqual(rig.take("relay-records").at(-1)?.relays, [], "one whose record is over");
});

// The directory ----------------------------------------------------------------------------------

function asked(rig: Rig, from: PeerKey, record: Uint8Array) {
  rig.do({ type: "asked", call: 9, from, name: "record.publish", question: { record } });
  const [reply] = rig.take("reply");
  assert.equal(reply?.call, 9);
  return reply.ok ? null : [reply.refused.code, reply.refused.message];
}

Deno.test("a member publishes its own record, and nobody else's, not even a genuine one", () => {
  const rig = new Rig();
  rig.join();
  const ann = key("ann");
  rig.do({ type: "peer-up", peer: ann, grants: ["rent"], renewed: false });
  assert.equal(asked(rig, ann, rig.item({ id: "ann" })), null);
  assert.deepEqual(asked(rig, ann, rig.item({ id: "bob" })), [
    "not-allowed",
    "A member publishes its own record only",
  ]);
  assert.deepEqual(asked(rig, ann, rig.item({ id: "ann", forged: true })), [
    "refused",
    "The record is refused: bad-signature",
  ]);
  assert.deepEqual(rig.machine.records(NET).map(({ id }) => id), ["ann"]);
});

Deno.test("a member publishes no role that its certificate does not grant", () => {
  const rig = new Rig();
  rig.join();
  const ann = key("ann");
  rig.do({ type: "peer-up", peer: ann, grants: ["relay"], renewed: false });
  assert.deepEqual(asked(rig, ann, rig.item({ id: "ann", roles: ["provider"] })), [
    "not-allowed",
    "A record says no more than its member may do",
  ]);
  assert.equal(asked(rig, ann, rig.item({ id: "ann", roles: ["relay"] })), null);
  rig.do({ type: "peer-down", peer: ann, reason: "left" });
  const late = rig.item({ id: "ann", seq: 2, roles: ["relay"] });
  assert.notEqual(asked(rig, ann, late), null, "who has no session has no grants");
});

Deno.test("a directory is handed out page by page, to members of that network only", () => {
  const rig = new Rig();
  rig.join();
  const names = Array.from({ length: 30 }, (_, i) => `n${String(i).padStart(2, "0")}`);
  for (const name of names.toReversed()) {
    rig.do({ type: "peer-up", peer: key(name), grants: [], renewed: false });
    assert.equal(asked(rig, key(name), rig.item({ id: name })), null);
  }
  const seen: string[] = [];
  let after: string | null = null;
  do {
    const question: { after: string | null } = { after };
    rig.do({ type: "asked", call: 1, from: key("n00"), name: "record.list", question });
    const [reply] = rig.take("reply");
    assert.ok(reply?.ok && reply.name === "record.list");
    assert.ok(reply.answer.records.length <= 12);
    seen.push(...reply.answer.records.map((b) => JSON.parse(new TextDecoder().decode(b)).id));
    after = reply.answer.next;
  } while (after !== null);
  assert.deepEqual(seen, names);
  const from = key("n00", "other" as NetworkId);
  rig.do({ type: "asked", call: 1, from, name: "record.list", question: { after: null } });
  const [reply] = rig.take("reply");
  assert.ok(reply?.ok && reply.name === "record.list");
  assert.deepEqual(reply.answer, { records: [], next: null });
});

Deno.test("a node that is no relay serves no directory", () => {
  const rig = new Rig({}, false);
  rig.join();
  assert.deepEqual(asked(rig, key("ann"), rig.item({ id: "ann" })), [
    "unsupported",
    'The peer does not serve "record.publish"',
  ]);
  rig.do({ type: "serve" });
  rig.do({ type: "peer-up", peer: key("ann"), grants: [], renewed: false });
  assert.equal(asked(rig, key("ann"), rig.item({ id: "ann" })), null);
});

// State × input ----------------------------------------------------------------------------------

const STATES: Readonly<Record<string, () => Rig>> = {
  "no network": () => new Rig(),
  "no relay": () => {
    const rig = new Rig();
    rig.join();
    return rig;
  },
  "a relay is tried": () => {
    const rig = new Rig();
    rig.join();
    rig.relays([], true);
    return rig;
  },
  "a relay is told": () => {
    const rig = new Rig();
    rig.join();
    rig.home("r1");
    rig.advance(100);
    return rig;
  },
  "known": settled,
};

const INPUTS: Readonly<Record<string, GossipIn<Facts>>> = {
  "serve": { type: "serve" },
  "network": { type: "network", network: NET, facts: { alias: "x", roles: [] } },
  "network-left": { type: "network-left", network: NET },
  "relays": { type: "relays", network: NET, home: [], isTrying: false },
  "find": { type: "find", token: 1, peer: key("bob"), timeoutMs: 1_000 },
  "list": { type: "list", token: 1, network: NET, timeoutMs: 1_000 },
  "announce": { type: "announce", token: 1, timeoutMs: 1_000 },
  "peer-up": { type: "peer-up", peer: key("r1"), grants: ["relay"], renewed: false },
  "peer-moved": { type: "peer-moved", peer: key("r1"), path: asPath("203.0.113.9:1") },
  "peer-down": { type: "peer-down", peer: key("r1"), reason: "lost" },
  "asked": {
    type: "asked",
    call: 1,
    from: key("ann"),
    name: "record.list",
    question: { after: null },
  },
  "answered": {
    type: "answered",
    token: 99,
    peer: key("r1"),
    name: "record.list",
    result: { ok: true, answer: { records: [new Uint8Array(3)], next: null } },
  },
  "dialed": { type: "dialed", token: 1, peer: key("r1") },
  "dial-failed": { type: "dial-failed", token: 1, reason: "timeout", detail: null },
  "wake": { type: "wake" },
};

/** What comes out at once, by state and input; nothing where nothing is named. */
const EXPECTED: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "no network": {
    "find": ["found"],
    "list": ["listed"],
    "announce": ["announced"],
    "asked": ["reply"],
  },
  "no relay": {
    "find": ["relay-wanted"],
    "list": ["relay-wanted"],
    "announce": ["relay-wanted"],
    "asked": ["reply"],
  },
  "a relay is tried": {
    "find": ["relay-wanted"],
    "list": ["relay-wanted"],
    "announce": ["relay-wanted"],
    "asked": ["reply"],
  },
  "a relay is told": { "find": ["ask"], "list": ["ask"], "asked": ["reply"] },
  "known": { "find": ["ask"], "list": ["ask"], "announce": ["announced"], "asked": ["reply"] },
};

for (const [state, make] of Object.entries(STATES)) {
  Deno.test(`state × input: ${state}`, () => {
    for (const [name, input] of Object.entries(INPUTS)) {
      const out = make().do(input).map(({ type }) => type);
      assert.deepEqual(out, EXPECTED[state]?.[name] ?? [], name);
    }
  });
}

Deno.test("whatever happens, each find, list and announcement ends exactly once, in its time", () => {
  const names = ["r1", "r2"];
  const step = fc.oneof(
    fc.record({
      do: fc.constant("want" as const),
      kind: fc.nat(2),
      ms: fc.integer({ min: 1, max: 20_000 }),
    }),
    fc.record({ do: fc.constant("relays" as const), count: fc.nat(2), isTrying: fc.boolean() }),
    fc.record({ do: fc.constant("answer" as const), ok: fc.boolean(), more: fc.boolean() }),
    fc.record({ do: fc.constant("time" as const), ms: fc.nat(6_000) }),
    fc.record({ do: fc.constant("join" as const), isLeft: fc.boolean() }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const rig = new Rig();
    rig.join();
    const wanted = new Map<number, number>();
    const look = () => {
      const ended = [...rig.take("found"), ...rig.take("listed"), ...rig.take("announced")];
      for (const { token } of ended) {
        const until = wanted.get(token);
        assert.ok(until !== undefined, `${token} ended twice, or was never wanted`);
        assert.ok(rig.now <= until, `${token} ended late`);
        wanted.delete(token);
      }
    };
    let token = 1;
    for (const each of steps) {
      if (each.do === "want") {
        wanted.set(token, rig.now + each.ms);
        const type = (["find", "list", "announce"] as const)[each.kind] ?? "list";
        const more = { token: token++, timeoutMs: each.ms, network: NET, peer: key("bob") };
        rig.do({ type, ...more } as GossipIn<Facts>);
      } else if (each.do === "relays") rig.relays(names.slice(0, each.count), each.isTrying);
      else if (each.do === "time") {
        const end = rig.now + each.ms;
        for (; rig.now < end; look()) rig.advance(Math.min(end - rig.now, untilWake(rig)));
      } else if (each.do === "join") {
        if (each.isLeft) rig.do({ type: "network-left", network: NET });
        else rig.join();
      } else {
        rig.answerTold(each.ok);
        for (const ask of rig.asks("record.list")) rig.page(ask, [], each.more ? "x" : null);
      }
      look();
    }
    for (let i = 0; i < 100 && wanted.size > 0; i++, look()) rig.advance(untilWake(rig));
    assert.equal(wanted.size, 0);
  }));
});

/** Milliseconds until the machine wants to be woken, 1 at least. */
function untilWake(rig: Rig): number {
  return Math.max(1, (rig.machine.wakeup()?.at ?? Infinity) - rig.now);
}

Deno.test("a relay that comes after all was told is told our record, which names it", () => {
  const rig = settled();
  rig.do({ type: "peer-up", peer: key("r2"), grants: ["relay"], renewed: false });
  rig.relays(["r1", "r2"]);
  rig.advance(1_000);
  assert.deepEqual(rig.asks("record.publish").map(({ peer }) => peer), [key("r1"), key("r2")]);
  assert.deepEqual(rig.signed.at(-1)?.relays.map(({ id }) => id), ["r1", "r2"]);
});

Deno.test("a network that is joined again knows our record, and its relays are told it", () => {
  const rig = settled();
  rig.do({ type: "network-left", network: NET });
  rig.join();
  rig.relays(["r1"]);
  rig.advance(1_000);
  assert.deepEqual(rig.machine.records(NET).map(({ id }) => id), [SELF]);
  assert.deepEqual(rig.asks("record.publish").map(({ peer }) => peer), [key("r1")]);
});

Deno.test("our own record, now or as it was, is no other node with our key", () => {
  const rig = settled();
  const own = rig.machine.record(key(SELF)) ?? assert.fail();
  const before = rig.item({ id: SELF, seq: own.seq - 1 });
  rig.do({ type: "list", token: 1, network: NET, timeoutMs: 1_000 });
  const [ask] = rig.asks("record.list");
  assert.ok(ask);
  rig.page(ask, [own.bytes, before]);
  assert.deepEqual(rig.take("tell"), []);
});

Deno.test("a clock that is set back far has our record signed anew", () => {
  const rig = settled();
  rig.skewMs = -DAY;
  rig.join();
  rig.advance(1_000);
  assert.equal(rig.answerTold(), 1);
});

Deno.test("a relay that took our record is told the next one soon again, where it does not take that", () => {
  const rig = new Rig();
  rig.join();
  rig.home("r1");
  rig.advance(200);
  for (let tried = 0; tried < 4; tried++) {
    rig.answerTold(false);
    rig.advance(60_000);
  }
  rig.answerTold();
  rig.join("another");
  rig.advance(200);
  rig.answerTold(false);
  rig.advance(1_500);
  assert.equal(rig.asks("record.publish").length, 1);
});

Deno.test("where too many wait to be announced, the next does not wait", () => {
  const rig = new Rig();
  rig.join();
  for (let token = 0; token < 16; token++) rig.do({ type: "announce", token, timeoutMs: 60_000 });
  assert.deepEqual(rig.take("announced"), []);
  rig.do({ type: "announce", token: 16, timeoutMs: 60_000 });
  assert.deepEqual(rig.take("announced").map(({ token }) => token), [16]);
});
