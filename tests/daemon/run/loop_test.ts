/** The loop between the node machine and the world. */
import assert from "node:assert/strict";
import type { Instant, NetworkId } from "../../../src/base/mod.ts";
import { encodeBody } from "../../../src/node/mod.ts";
import { settle } from "../fake_time.ts";
import { CONNECT, PEER, withLoop } from "./loop_rig.ts";
import { asPath } from "../../../src/wire/mod.ts";

for (
  const [reason, detail, says] of [
    ["unverified", "not-yet-valid", /clock/],
    ["unverified", "expired", /clock/],
    ["refused", "not-yet-valid", /clock/],
    ["refused", "revoked", /^$/],
  ] as const
) {
  Deno.test(
    `a membership that is ${reason} as ${detail} is ${
      says.test("clock") ? "" : "not "
    }put down to a clock`,
    withLoop(async (rig) => {
      const call = rig.loop.connect(CONNECT);
      rig.say({ type: "connect-failed", token: rig.token("connect"), reason, detail });
      const error = await call.then(() => assert.fail("it fails"), (error) => error);
      assert.deepEqual([error.code, error.fields["detail"]], ["not-member", detail]);
      assert.match(error.hint ?? "", says);
    }),
  );
}

Deno.test(
  "how what was wanted of peers and records ended goes to who waits for it",
  withLoop((rig) => {
    const ended: string[] = [];
    rig.loop.onFound(({ type, token }) => void ended.push(`${type} ${token}`));
    rig.say(
      { type: "reached", token: 1, peer: PEER },
      { type: "unreached", token: 2, why: { reason: "late" } },
      { type: "listed", token: 3, network: "n" as NetworkId, otherTimes: false },
      { type: "announced", token: 4 },
    );
    assert.deepEqual(ended, ["reached 1", "unreached 2", "listed 3", "announced 4"]);
  }),
);

const FAILS = [
  ["timeout", "unreachable"],
  ["wrong-peer", "unreachable"],
  ["bad-identity", "not-member"],
  ["unverified", "not-member"],
  ["refused", "not-member"],
  ["busy", "unreachable"],
  ["closed", "unreachable"],
] as const;

for (const [reason, code] of FAILS) {
  Deno.test(
    `a connect that fails with ${reason} rejects with ${code}`,
    withLoop(async (rig) => {
      const connect = rig.loop.connect(CONNECT);
      rig.say({ type: "connect-failed", token: rig.token("connect"), reason, detail: "why" });
      await assert.rejects(connect, { code });
    }),
  );
}

Deno.test(
  "a connect resolves with who answered",
  withLoop(async (rig) => {
    const connect = rig.loop.connect(CONNECT);
    rig.say({ type: "connected", token: rig.token("connect"), peer: PEER });
    assert.equal(await connect, PEER);
  }),
);

Deno.test(
  "what is given up is cancelled in the machine and rejects as too late",
  withLoop(async (rig) => {
    const controller = new AbortController();
    const call = rig.calls.call(PEER, "ping", {}, { signal: controller.signal });
    const token = rig.token("call");
    controller.abort();
    await assert.rejects(call, { code: "timeout" });
    assert.deepEqual(rig.inputs.at(-1), { type: "cancel", token });
    rig.say({ type: "called", token, result: { ok: true, body: encodeBody({}) } }); // late: ignored
  }),
);

Deno.test(
  "what was given up before it began is not begun",
  withLoop(async (rig) => {
    const signal = AbortSignal.abort();
    await assert.rejects(rig.calls.call(PEER, "ping", {}, { signal }), { code: "timeout" });
    assert.ok(!rig.inputs.some(({ type }) => type === "call"));
  }),
);

Deno.test(
  "what the machine never ends is ended by the clock",
  withLoop(async (rig, time) => {
    const call = rig.calls.call(PEER, "ping", {}, { timeoutMs: 2_000 });
    call.catch(() => {});
    await time.advance(3_001);
    await assert.rejects(call, { code: "unreachable" });
  }),
);

Deno.test(
  "a loop that ends tells everybody who waits, and takes nothing any more",
  withLoop(async (rig) => {
    const waiting = [rig.calls.call(PEER, "ping", {}), rig.loop.connect(CONNECT)];
    rig.loop.close();
    for (const end of await Promise.allSettled(waiting)) assert.equal(end.status, "rejected");
    const before = rig.inputs.length;
    rig.loop.input({ type: "wake" });
    assert.equal(rig.inputs.length, before);
  }),
);

// Doing what the machine says --------------------------------------------------------------------

Deno.test(
  "the data path learns which sessions there are, and what was authentic, before it is answered",
  withLoop((rig) => {
    rig.react = () => [
      { type: "receivers", add: [5], remove: [6, 7] },
      { type: "heard", path: asPath("192.0.2.1:1") },
      { type: "transmit", path: asPath("192.0.2.1:1"), bytes: new Uint8Array(1), ttl: 0 },
    ];
    rig.loop.input({ type: "wake" });
    assert.deepEqual(rig.did, [
      'session.set {"add":[5],"remove":[6,7]}',
      "heard 192.0.2.1:1",
      "send 192.0.2.1:1",
    ]);
  }),
);

Deno.test(
  "a part's fact is on the disk before what it says later is done, and a full disk ends nothing",
  withLoop((rig) => {
    const keep = { type: "keep", part: "gossip", key: "record-seq", value: 7 } as const;
    const sent = {
      type: "transmit",
      path: asPath("a:1"),
      bytes: new Uint8Array(),
      ttl: 0,
    } as const;
    rig.say(keep, sent);
    rig.keepFails = true;
    rig.say(keep, sent);
    assert.deepEqual(rig.did, ["keep record-seq 7", "send a:1", "send a:1"]);
    assert.match(rig.logged.join(), /keep gossip's record-seq/);
    assert.deepEqual(rig.defects, []);
  }),
);

Deno.test(
  "what a part tells stands in the log, at its level",
  withLoop((rig) => {
    const fields = { relay: "abc" };
    rig.say({ type: "tell", part: "relay", level: "debug", what: "is not reached", fields });
    assert.deepEqual(rig.logged, ["debug relay: is not reached"]);
  }),
);

Deno.test(
  "names are resolved together, and told in their order",
  withLoop(async (rig) => {
    const known = new Map([["b:1", ["192.0.2.2:1", "192.0.2.3:1"]]]);
    rig.resolve = (name) => Promise.resolve(known.get(name) ?? []);
    rig.say({ type: "resolve", token: -3, names: ["a:1", "b:1"] });
    await settle();
    const addresses = [[], ["192.0.2.2:1", "192.0.2.3:1"]];
    assert.deepEqual(rig.inputs.at(-1), { type: "resolved", token: -3, addresses });
  }),
);

Deno.test(
  "routes go to the data path, and a peer without any is removed there",
  withLoop((rig) => {
    const routes = { type: "routes", peer: PEER, standby: null, patienceMs: 400 } as const;
    rig.say({ ...routes, active: asPath("192.0.2.1:1"), accept: [asPath("192.0.2.1:1")] });
    rig.say({ ...routes, active: null, accept: [] });
    assert.deepEqual(rig.commands, ["peer.set 192.0.2.1:1", "peer.remove -"]);
  }),
);

Deno.test(
  "the data path waits as long as the path's answers take",
  withLoop((rig) => {
    const routes = { type: "routes", peer: PEER, standby: null, active: asPath("a:1") } as const;
    rig.say({ ...routes, accept: [asPath("a:1")], patienceMs: 400 });
    rig.say({ ...routes, accept: [asPath("a:1")], patienceMs: 1_600 });
    assert.deepEqual(rig.verdicts, [[200, 1_500], [800, 6_000]]);
  }),
);

Deno.test(
  "one output that fails is a defect, and the others are done all the same",
  withLoop((rig) => {
    rig.commandFails = true;
    const none = { active: null, standby: null, accept: [], patienceMs: 400 } as const;
    const routes = { type: "routes", peer: PEER, ...none } as const;
    rig.say(routes, {
      type: "transmit",
      path: asPath("192.0.2.1:1"),
      bytes: new Uint8Array(),
      ttl: 0,
    });
    assert.deepEqual([rig.sent, rig.defects.length], [[asPath("192.0.2.1:1")], 1]);
  }),
);

Deno.test(
  "one listener that fails is a defect, and the others hear the event",
  withLoop((rig) => {
    const heard: string[] = [];
    rig.loop.listen(() => {
      throw new TypeError("a defect");
    });
    rig.loop.listen(({ type }) => void heard.push(type));
    rig.say({ type: "endpoints", addresses: [] });
    assert.deepEqual([heard, rig.defects.length], [["endpoints"], 1]);
  }),
);

Deno.test(
  "what a listener causes comes after what was said already",
  withLoop((rig) => {
    const moved = { type: "moved", peer: PEER, from: null, to: asPath("192.0.2.1:1") } as const;
    const routes = { type: "routes", peer: PEER, standby: null, patienceMs: 400 } as const;
    rig.loop.listen((event) => {
      if (event.type === "moved") rig.loop.input({ type: "drop", peer: PEER, use: "a VM" });
    });
    rig.react = (input) =>
      input.type === "drop"
        ? [{ ...routes, active: asPath("new:2"), accept: [asPath("new:2")] }]
        : [];
    rig.say(moved, { ...routes, active: asPath("old:1"), accept: [asPath("old:1")] });
    assert.deepEqual(rig.commands, ["peer.set old:1", "peer.set new:2"]);
  }),
);

Deno.test(
  "a listener that ended hears nothing any more",
  withLoop((rig) => {
    const heard: string[] = [];
    const end = rig.loop.listen(({ type }) => void heard.push(type));
    end();
    rig.say({ type: "endpoints", addresses: [] });
    assert.deepEqual(heard, []);
  }),
);

Deno.test(
  "the machine is woken at its time, the last one that it said",
  withLoop(async (rig, time) => {
    rig.wakeup = { at: 500 as Instant, why: "test" };
    rig.loop.input({ type: "wake" });
    rig.wakeup = { at: 900 as Instant, why: "test" };
    rig.loop.input({ type: "wake" });
    const before = rig.inputs.length;
    await time.advance(899);
    assert.equal(rig.inputs.length, before);
    rig.wakeup = undefined;
    await time.advance(1);
    assert.deepEqual(rig.inputs.slice(before), [{ type: "wake" }]);
  }),
);
