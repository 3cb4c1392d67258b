/** The relays that a node keeps, with exact times. */
import assert from "node:assert/strict";
import { type NetworkId, type NodeId, peerKey, seededRandom } from "../../src/base/mod.ts";
import { NETWORKS_MAX, RelayClientMachine } from "../../src/relay/mod.ts";
import { at, claims, Client, dialed, type Put } from "./client_rig.ts";
import { asPath } from "../../src/wire/mod.ts";
import { NET, only, peer } from "./rig.ts";

const HERE = "203.0.113.1:9000";
const R1 = at("r1", HERE);

Deno.test("a relay that the node enters by is met at once, and there when it has a direct path", () => {
  const rig = new Client();
  assert.deepEqual(rig.enter(R1), [
    { type: "claim", peer: peer("r1"), use: "relay", demand: "warm" },
    {
      type: "dial",
      token: 1,
      network: NET,
      node: "r1",
      addresses: [HERE],
      named: "person",
    },
    { type: "relays", network: NET, home: [], isTrying: true },
  ]);
  assert.deepEqual(
    rig.put({ type: "peer-up", peer: peer("r1"), grants: ["relay"], renewed: false }),
    [],
  );
  assert.deepEqual(rig.put({ type: "dialed", token: 1, peer: peer("r1") }), [
    { type: "relays", network: NET, home: [], isTrying: false },
  ]);
  assert.deepEqual(rig.move("r1", HERE), [
    { type: "relays", network: NET, home: [{ peer: peer("r1"), path: HERE }], isTrying: false },
  ]);
  assert.deepEqual(rig.home(), ["r1"]);
  assert.equal(rig.machine.wakeup(), undefined);
});

Deno.test("a relay that is reached through another one is not there", () => {
  const rig = new Client();
  rig.enter(R1);
  rig.up("r1", { path: "198.51.100.9:9#00000001" });
  assert.deepEqual(rig.home(), []);
  assert.ok(rig.client.isCutOff(NET));
});

Deno.test("who answers without the grant to relay is no relay, and stays where we enter", () => {
  const rig = new Client();
  rig.enter(R1);
  assert.deepEqual(claims(rig.up("r1", { grants: ["rent"] })), []);
  rig.put({ type: "dialed", token: 1, peer: peer("r1") });
  assert.deepEqual(rig.home(), []);
  assert.deepEqual(dialed(rig.down("r1")), [], "it was there for no time");
  assert.deepEqual(rig.advance(100).flatMap(({ output }) => dialed([output])), [
    `r1 ${HERE} person`,
  ]);
});

Deno.test("a relay that does not answer is tried ever more rarely, and soon after it was there", () => {
  const rig = new Client();
  let out = rig.enter(R1);
  const tried = [];
  for (const waitMs of [100, 250, 500, 1_000, 2_000, 5_000, 15_000, 15_000, 15_000]) {
    const failed = rig.fail(out);
    assert.deepEqual(only(failed, "relays").map(({ isTrying }) => isTrying), [false]);
    const told = only(failed, "tell").map(({ level, what }) => `${level} ${what}`);
    assert.deepEqual(told, ["debug a relay is not reached"]);
    assert.deepEqual(rig.machine.wakeup()?.why, "a relay is tried again");
    assert.deepEqual(rig.advance(waitMs - 1), []);
    out = rig.advance(1).map(({ output }) => output);
    tried.push(...dialed(out));
  }
  assert.equal(tried.length, 9);
  rig.up("r1");
  rig.put({ type: "dialed", token: 10, peer: peer("r1") });
  rig.advance(1_000);
  assert.deepEqual(dialed(out = rig.down("r1")), [`r1 ${HERE} person`], "at once");
  rig.fail(out);
  assert.deepEqual(rig.machine.wakeup()?.at, rig.now + 100, "and from the first step");
});

Deno.test("a relay that goes as soon as it came is met as one that does not answer", () => {
  const rig = new Client();
  rig.enter(R1);
  for (const waitMs of [100, 250, 500]) {
    rig.up("r1");
    rig.put({ type: "dialed", token: 1, peer: peer("r1") });
    rig.put({ type: "dialed", token: 2, peer: peer("r1") });
    rig.put({ type: "dialed", token: 3, peer: peer("r1") });
    rig.advance(999);
    assert.deepEqual(dialed(rig.down("r1")), []);
    assert.deepEqual(rig.advance(waitMs - 1), []);
    assert.equal(rig.advance(1).length, 2);
  }
});

Deno.test("a session that is renewed does not make its relay a new one", () => {
  const rig = new Client();
  rig.enter(R1);
  rig.up("r1");
  rig.put({ type: "dialed", token: 1, peer: peer("r1") });
  rig.advance(900);
  rig.up("r1", { renewed: true });
  rig.advance(100);
  assert.deepEqual(dialed(rig.down("r1")), [`r1 ${HERE} person`]);
});

Deno.test("relays that were lost together are not tried together again", () => {
  const waits = new Set(Array.from({ length: 20 }, (_, seed) => {
    const rig = new Client(seededRandom(seed + 1));
    rig.fail(rig.enter(R1));
    return rig.machine.wakeup()?.at ?? 0;
  }));
  assert.ok(waits.size > 10);
  assert.ok([...waits].every((waitMs) => waitMs >= 75 && waitMs <= 125));
});

Deno.test("a relay that a person enters elsewhere is tried there at once, and no longer where it was", () => {
  const rig = new Client();
  rig.enter(R1);
  const elsewhere = rig.enter(at("r1", "203.0.113.2:9000"));
  assert.deepEqual(only(elsewhere, "undial").map(({ token }) => token), [1]);
  assert.deepEqual(dialed(elsewhere), ["r1 203.0.113.2:9000 person"]);
  assert.deepEqual(claims(elsewhere), []);
  assert.deepEqual(rig.put({ type: "dial-failed", token: 1, reason: "x", detail: null }), []);
  rig.fail(elsewhere);
  for (let i = 0; i < 5; i++) rig.fail(rig.advance(5_000).map(({ output }) => output));
  const back = rig.enter(at("r1", HERE));
  rig.fail(back);
  assert.equal(rig.machine.wakeup()?.at, rig.now + 100, "from the first step");
  rig.enter(at("r1", "203.0.113.2:9000"));
  assert.deepEqual(dialed(rig.enter(at("r1", HERE))), [`r1 ${HERE} person`], "also while it waits");
  assert.deepEqual(rig.enter(at("r1", HERE)), [], "the same again is nothing new");
});

Deno.test("what is handed in may change afterwards", () => {
  const rig = new Client();
  const addresses = [HERE];
  const out = rig.enter(at("r1", HERE), { ...R1, addresses });
  addresses[0] = "203.0.113.66:6";
  rig.fail(out);
  assert.deepEqual(rig.advance(100).flatMap(({ output }) => dialed([output])), [
    `r1 ${HERE} person`,
  ]);
});

Deno.test("a relay whose record names another address is tried there the next time", () => {
  const rig = new Client();
  rig.enter();
  const out = rig.records(at("r1", "198.51.100.1:1"));
  assert.deepEqual(dialed(out), ["r1 198.51.100.1:1 record"]);
  assert.deepEqual(dialed(rig.records(at("r1", "198.51.100.1:2"))), []);
  rig.fail(out);
  const again = rig.advance(100).map(({ output }) => output);
  assert.deepEqual(dialed(again), ["r1 198.51.100.1:2 record"]);
});

Deno.test("a relay that somebody needs is not waited for, and tried once at a time", () => {
  const rig = new Client();
  const out = rig.enter(R1, at("r2", "203.0.113.2:9000"));
  rig.fail(out);
  const wanted = { type: "relay-wanted", network: NET } as const;
  assert.deepEqual(dialed(rig.put(wanted)), ["r2 203.0.113.2:9000 person"]);
  assert.deepEqual(rig.put(wanted), [{ type: "relays", network: NET, home: [], isTrying: true }]);
  assert.equal(rig.machine.wakeup(), undefined, "it is tried now");
  rig.up("r1");
  rig.put({ type: "dialed", token: 1, peer: peer("r1") });
  assert.deepEqual(dialed(rig.put(wanted)), [], "one that is there is not tried");
});

// Which relays ---------------------------------------------------------------------------------------

const named = (name: string) => at(name, `198.51.100.1:${name.charCodeAt(1)}`);

Deno.test("three relays are kept: those of persons first, then those that say they are", () => {
  const rig = new Client();
  assert.deepEqual(dialed(rig.enter(R1)), [`r1 ${HERE} person`]);
  const out = rig.records(named("a1"), R1, named("b1"), named("c1"));
  assert.deepEqual(dialed(out), ["a1 198.51.100.1:49 record", "b1 198.51.100.1:49 record"]);
  assert.deepEqual(claims(out), ["claim a1", "claim b1"]);
});

Deno.test("neither we ourselves nor one without an address is a relay to keep", () => {
  const rig = new Client();
  assert.deepEqual(dialed(rig.enter(at("me", HERE), at("r0"))), []);
  assert.deepEqual(dialed(rig.records(at("me", HERE), at("r0"))), []);
  assert.ok(!rig.client.isCutOff(NET), "there is none to be reached");
});

Deno.test("a person's word counts for where a relay is that a record named before", () => {
  const rig = new Client();
  rig.enter();
  rig.records(named("a1"));
  rig.up("a1");
  rig.put({ type: "dialed", token: 1, peer: peer("a1") });
  rig.enter(at("a1", HERE));
  rig.advance(1_000);
  assert.deepEqual(dialed(rig.down("a1")), [`a1 ${HERE} person`]);
});

Deno.test("of very many that say that they are relays, some are looked at", () => {
  const rig = new Client();
  rig.enter();
  const mute = Array.from({ length: 64 }, (_, i) => at(`n${i}`));
  assert.deepEqual(claims(rig.records(...mute.slice(1), named("a1"))), ["claim a1"]);
  assert.deepEqual(claims(rig.records(...mute, named("a1"))), ["drop a1"]);
});

Deno.test("a relay whose record comes later is used where there is room", () => {
  const rig = new Client();
  rig.enter(R1);
  rig.up("r1");
  assert.deepEqual(claims(rig.records(named("a1"))), ["claim a1"]);
  assert.deepEqual(claims(rig.records(named("a1"), named("b1"), named("c1"))), ["claim b1"]);
});

Deno.test("a relay whose record is gone, and which is not there, is let go, and its attempt ended", () => {
  const rig = new Client();
  rig.enter();
  rig.records(named("a1"), named("b1"));
  rig.up("b1");
  const out = rig.records(named("c1"));
  assert.deepEqual(claims(out), ["drop a1", "claim c1"]);
  assert.deepEqual(only(out, "undial").map(({ token }) => token), [1]);
  assert.deepEqual(rig.home(), ["b1"], "who is there stays");
  assert.deepEqual(claims(rig.down("b1")), ["drop b1"]);
  assert.deepEqual(rig.put({ type: "dial-failed", token: 1, reason: "timeout", detail: null }), []);
  rig.up("c1");
  rig.records();
  assert.deepEqual(claims(rig.down("c1")), ["drop c1"]);
  rig.advance(60_000);
  assert.equal(rig.machine.wakeup(), undefined);
});

Deno.test("a relay that waits to be tried again and whose record is gone is tried no more", () => {
  const rig = new Client();
  rig.enter();
  rig.fail(rig.records(named("a1")));
  rig.records();
  assert.deepEqual(rig.advance(60_000), []);
});

Deno.test("ever new records do not take the place of who is there, nor pile up", () => {
  const rig = new Client();
  rig.enter();
  const kept = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const names = [0, 1, 2, 3].map((n) => `x${i}-${n}`);
    const out = rig.records(...names.map((name) => at(name, "198.51.100.7:7")));
    for (const claim of claims(out)) {
      const [what, who = ""] = claim.split(" ");
      if (what === "claim") kept.add(who);
      else kept.delete(who);
    }
    assert.ok(kept.size <= 3);
    if (i === 0) { for (const name of kept) rig.up(name); }
  }
  assert.deepEqual([...kept], ["x0-0", "x0-1", "x0-2"]);
});

Deno.test("ever new records are not met as fast as they come, and the last ones are in the end", () => {
  const rig = new Client();
  rig.enter(R1);
  rig.up("r1");
  const met: string[] = [];
  for (let i = 0; i < 500; i++) {
    const names = [0, 1].map((n) => at(`x${i}-${n}`, "198.51.100.7:7"));
    met.push(...dialed(rig.records(...names)));
    met.push(...dialed(rig.advance(10).map(({ output }) => output)));
  }
  assert.ok(met.length <= 8, `${met.length} handshakes in 5 s`);
  const last = dialed(rig.advance(5_000).map(({ output }) => output));
  assert.deepEqual(last.map((dial) => dial.split(" ")[0]), ["x499-0", "x499-1"]);
});

Deno.test("newer entries get their places, and who is there stays beside them until it goes", () => {
  const rig = new Client();
  rig.enter();
  const relays = ["a1", "b1", "c1"];
  rig.records(...relays.map(named));
  for (const name of relays) rig.up(name);
  const entries = ["e1", "e2", "e3", "e4"].map((name) => at(name, HERE));
  assert.deepEqual(claims(rig.enter(...entries)), ["claim e1", "claim e2", "claim e3"]);
  assert.deepEqual(rig.home(), relays);
  assert.deepEqual(claims(rig.down("b1")), ["drop b1"]);
  for (const name of ["e1", "e2", "e3"]) {
    for (const { home } of only(rig.up(name), "relays")) assert.ok(home.length <= 3);
  }
  const more = ["f1", "f2", "f3"].map((name) => at(name, HERE));
  rig.enter(...more, ...entries);
  assert.equal(rig.home().length, 3, "at most three stay without a place");
});

Deno.test("a member that says that it is a relay, and is none, is let go and not kept again", () => {
  const rig = new Client();
  rig.enter();
  rig.records(named("a1"));
  assert.deepEqual(claims(rig.up("a1", { grants: ["rent"] })), ["drop a1"]);
  assert.deepEqual(rig.down("a1"), []);
  assert.deepEqual(dialed(rig.records(named("a1"))), []);
  rig.up("a1", { grants: ["relay"] });
  assert.deepEqual(rig.home(), ["a1"], "its certificate is another one now");
});

Deno.test("a member that is here without the grant is not kept for what its record says", () => {
  const rig = new Client();
  rig.enter();
  rig.up("a1", { grants: ["rent"] });
  assert.deepEqual(claims(rig.records(named("a1"))), []);
  rig.down("a1");
  assert.deepEqual(claims(rig.records(named("a1"), named("b1"))), ["claim b1"]);
});

Deno.test("home is told when it changes, at most three, and once", () => {
  const rig = new Client();
  rig.enter(R1);
  const told = (out: ReturnType<Client["put"]>) =>
    only(out, "relays").map(({ home }) => home.map(({ path }) => path));
  rig.put({ type: "dialed", token: 1, peer: peer("r1") });
  assert.deepEqual(told(rig.up("r1")), [[HERE]]);
  assert.deepEqual(told(rig.up("r1", { renewed: true })), []);
  assert.deepEqual(told(rig.move("r1", "203.0.113.1:9001")), [["203.0.113.1:9001"]]);
  assert.deepEqual(told(rig.move("r1", null)), [[]]);
  assert.deepEqual(told(rig.move("r1", HERE)), [[HERE]]);
  assert.deepEqual(told(rig.down("r1")), [[]]);
});

// Networks --------------------------------------------------------------------------------------------

Deno.test("a network that was left has no relays", () => {
  const rig = new Client();
  rig.enter(R1, at("r2", HERE));
  rig.up("r1");
  const out = rig.put({ type: "network-left", network: NET });
  assert.deepEqual(claims(out), ["drop r1", "drop r2"]);
  assert.deepEqual(only(out, "undial").map(({ token }) => token), [1, 2]);
  assert.deepEqual(only(out, "relays").map(({ home }) => home), [[]]);
  assert.deepEqual(rig.down("r1"), []);
  assert.deepEqual(rig.records(named("a1")), []);
  assert.deepEqual(rig.advance(60_000), []);
  assert.deepEqual([rig.home(), rig.client.isCutOff(NET)], [[], false]);
});

Deno.test("relays of one network are none of another", () => {
  const rig = new Client();
  rig.enter(R1);
  const other = "other" as NetworkId;
  rig.put({ type: "network", network: other, entries: [R1] });
  rig.up("r1");
  assert.deepEqual([rig.client.isCutOff(NET), rig.client.isCutOff(other)], [false, true]);
  rig.put({ type: "dial-failed", token: 2, reason: "timeout", detail: null });
  assert.equal(rig.machine.wakeup()?.at, 100);
  rig.put({
    type: "peer-up",
    peer: peerKey(other, "r1" as NodeId),
    grants: ["relay"],
    renewed: false,
  });
  assert.equal(rig.machine.wakeup(), undefined);
});

Deno.test("more networks than a node has room for get no relays, and do not hurt the others", () => {
  const rig = new Client();
  for (let i = 0; i < NETWORKS_MAX; i++) {
    rig.put({ type: "network", network: `net-${i}` as NetworkId, entries: [] });
  }
  assert.deepEqual(rig.enter(R1), []);
  assert.equal(
    dialed(rig.put({ type: "network", network: "net-0" as NetworkId, entries: [R1] })).length,
    1,
  );
});

/** Every input in every state of a relay: what it leads to. */
Deno.test("no input changes what it is not about", () => {
  const states: Record<string, (rig: Client) => void> = {
    "no network": () => {},
    "nobody to keep": (rig) => void rig.enter(),
    "dialing": (rig) => void rig.enter(R1),
    "waiting": (rig) => void rig.fail(rig.enter(R1)),
    "there": (rig) => {
      rig.enter(R1);
      rig.up("r1");
    },
  };
  const inputs: Put[] = [
    { type: "wake" },
    { type: "network-left", network: "elsewhere" as NetworkId },
    { type: "relay-records", network: "elsewhere" as NetworkId, relays: [named("a1")] },
    { type: "relay-records", network: NET, relays: [] },
    { type: "relay-wanted", network: "elsewhere" as NetworkId },
    { type: "demand", peer: peer("bob"), demand: "busy" },
    { type: "demand", peer: peer("bob"), demand: "hold" },
    { type: "peer-up", peer: peer("bob"), grants: ["rent"], renewed: false },
    { type: "peer-up", peer: peer("bob"), grants: ["relay"], renewed: false },
    { type: "peer-moved", peer: peer("bob"), path: asPath(HERE) },
    { type: "peer-down", peer: peer("bob"), reason: "left" },
    { type: "dialed", token: 99, peer: peer("bob") },
    { type: "dial-failed", token: 99, reason: "timeout", detail: null },
    {
      type: "answered",
      token: 99,
      peer: peer("r1"),
      name: "relay.allocate",
      result: { ok: true, answer: { session: 1, address: HERE } },
    },
  ];
  for (const [state, begin] of Object.entries(states)) {
    for (const input of inputs) {
      const rig = new Client();
      begin(rig);
      const before = [rig.machine.wakeup(), rig.home(), rig.client.isCutOff(NET)];
      assert.deepEqual(rig.put(input), [], `${state} × ${JSON.stringify(input)}`);
      assert.deepEqual([rig.machine.wakeup(), rig.home(), rig.client.isCutOff(NET)], before);
    }
  }
});

Deno.test("whatever comes in any order, at most six relays of a network are kept", () => {
  const random = seededRandom(7);
  const rig = new Client(random);
  const kept = new Set<string>();
  const pick = (n: number) => (random.bytes(1)[0] ?? 0) % n;
  const some = () =>
    Array.from({ length: pick(5) }, () => at(`n${pick(9)}`, `192.0.2.1:${1 + pick(3)}`));
  const unique = () => [...new Map(some().map((each) => [each.id, each])).values()];
  const up = new Set<string>();
  for (let i = 0; i < 20_000; i++) {
    const name = `n${pick(9)}`;
    const steps: (() => ReturnType<Client["put"]>)[] = [
      () => rig.enter(...unique()),
      () => rig.records(...unique()),
      () => rig.up(name, { grants: pick(3) > 0 ? ["relay"] : [], renewed: up.has(name) }),
      () => rig.down(name),
      () => rig.put({ type: "dial-failed", token: 1 + pick(200) + i, reason: "x", detail: null }),
      () => rig.put({ type: "relay-wanted", network: NET }),
      () => rig.advance(pick(200) * 100).map(({ output }) => output),
    ];
    const out = steps[pick(steps.length)]?.() ?? [];
    for (const claim of claims(out)) {
      const [what, who = ""] = claim.split(" ");
      assert.equal(kept.has(who), what === "drop", "claimed once, dropped once");
      if (what === "claim") kept.add(who);
      else kept.delete(who);
    }
    assert.ok(kept.size <= 6, [...kept].join());
    assert.ok(rig.home().every((id) => kept.has(id)));
  }
});

Deno.test("a client that is told of nothing asks for nothing", () => {
  const options = { self: "me" as NodeId, random: seededRandom(1), hasRelayedPath: () => false };
  assert.equal(new RelayClientMachine(options).wakeup(), undefined);
});

Deno.test("a person's newer word counts for a relay that is there, once it goes", () => {
  const rig = new Client();
  rig.enter(R1);
  rig.up("r1");
  rig.put({ type: "dialed", token: 1, peer: peer("r1") });
  rig.enter(at("r1", "203.0.113.2:9000"));
  rig.advance(1_000);
  assert.deepEqual(dialed(rig.down("r1")), ["r1 203.0.113.2:9000 person"]);
});
