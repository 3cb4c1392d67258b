/** Invites that are over: their holders are told why, cheaply, and get nothing else. */
import assert from "node:assert/strict";
import { ACCEPTED_KEYS_MAX, HELLO_BYTES, type SessionOut } from "../../src/session/mod.ts";
import { encodeHello, encodeRefusal, readRefusal } from "../../src/session/layout.ts";
import { gateOf, type Node, World } from "./world.ts";
import { asPath } from "../../src/wire/mod.ts";

const REASON = "invite-revoked";
const REFUSAL = 7;

interface Pair {
  readonly world: World;
  readonly joiner: Node;
  readonly admitter: Node;
  readonly gate: ReturnType<typeof gateOf>;
}

/** A joiner, and an admitter at which the invite is over. */
function pair(): Pair {
  const world = new World();
  const [joiner, admitter] = [world.node(), world.node()];
  const gate = gateOf(world.network, 9, "invite");
  admitter.take({ type: "keys", keys: [], refused: [{ ...gate, reason: REASON }] });
  return { world, joiner, admitter, gate };
}

const sentBy = (node: Node): Uint8Array[] => node.heard("transmit").map(({ bytes }) => bytes);
const failures = (node: Node) => node.heard("failed").map(({ reason, detail }) => [reason, detail]);

Deno.test("who comes by an invite that is over is told why, at once", () => {
  const { world, joiner, admitter, gate } = pair();
  joiner.connect(admitter, gate);
  world.run(100);
  assert.deepEqual(failures(joiner), [["refused", REASON]]);
  assert.deepEqual(joiner.sessions.stats().dropped, { "refused-key": 1 });
  const [refusal] = sentBy(admitter);
  assert.ok(refusal !== undefined && refusal.length < HELLO_BYTES / 10);
});

Deno.test("turning away leaves nothing behind: no handshake, no session, no place", () => {
  const { world, joiner, admitter, gate } = pair();
  for (let i = 0; i < 3; i++) {
    joiner.connect(admitter, gate);
    world.run(100);
  }
  const { sessions, pending, established, dropped } = admitter.sessions.stats();
  assert.deepEqual([sessions, pending, established], [0, 0, 0]);
  assert.deepEqual(dropped, { "refused-key": 3 });
});

Deno.test("a gate that was closed opens again with the keys, and closes with them", () => {
  const { world, joiner, admitter, gate } = pair();
  admitter.accept(gate);
  joiner.connect(admitter, gate);
  world.run(100);
  assert.equal(joiner.heard("established").length, 1);
  admitter.accept();
  joiner.connect(admitter, gate);
  world.run(10_000);
  assert.deepEqual(failures(joiner), [["timeout", undefined]], "told no more");
});

Deno.test("a source is told so often and no more, and members' handshakes are not spent", () => {
  const { world, joiner, admitter, gate } = pair();
  for (let i = 0; i < 50; i++) {
    joiner.connect(admitter, gate);
    world.run(15);
    joiner.take({ type: "close", peer: admitter.peer, kind: "invite" });
  }
  const told = sentBy(admitter).length;
  assert.ok(told >= 12 && told <= 14, `told ${told} times`);
  assert.ok((admitter.sessions.stats().dropped["source-limit"] ?? 0) >= 36);
  admitter.take({ type: "keys", keys: [{ ...world.gate, payload: new Uint8Array() }] });
  joiner.connect(admitter);
  world.run(100);
  assert.equal(joiner.heard("established").length, 1);
});

Deno.test("without the secret nobody is told anything", () => {
  const { world, joiner, admitter, gate } = pair();
  const hello = helloOf(joiner, admitter, gate);
  for (const at of [20, 600, HELLO_BYTES - 1]) {
    const bent = hello.slice();
    bent[at] = (bent[at] ?? 0) ^ 1;
    assert.deepEqual(world.inject(admitter, joiner.address, bent), []);
  }
  assert.deepEqual(admitter.sessions.stats().dropped, { "bad-mac": 3 });
  const message = new Uint8Array(HELLO_BYTES - 28).fill(7); // the MAC is good, what it is of is not
  const empty = encodeHello(gate, message);
  assert.deepEqual(world.inject(admitter, joiner.address, empty), []);
  assert.equal(admitter.sessions.stats().dropped["bad-handshake"], 1);
});

Deno.test("neither kind of keys grows without bound", () => {
  const { admitter, gate } = pair();
  const many = Array.from({ length: ACCEPTED_KEYS_MAX + 1 }, () => ({ ...gate, reason: REASON }));
  const keys = many.map((key) => ({ ...key, payload: new Uint8Array() }));
  assert.throws(() => admitter.take({ type: "keys", keys: [], refused: many }), RangeError);
  assert.throws(() => admitter.take({ type: "keys", keys }), RangeError);
});

Deno.test("a refusal ends only the path on which it came; the others are tried", () => {
  const { world, joiner, admitter, gate } = pair();
  const good = world.node();
  good.accept(gate);
  const input = { type: "connect", peer: good.id, key: gate, payload: new Uint8Array() } as const;
  joiner.take({ ...input, path: admitter.address });
  joiner.take({ ...input, path: good.address });
  world.run(1_000);
  assert.deepEqual(failures(joiner), []);
  assert.equal(joiner.heard("established").length, 1);
});

Deno.test("no refusal is taken that answers another hello, comes from elsewhere or is bent", () => {
  const { world, joiner, admitter, gate } = pair();
  const first = refusalTo(world, { joiner, admitter, gate });
  joiner.take({ type: "close", peer: admitter.peer, kind: "invite" });
  const before = failures(joiner).length;
  const refusal = refusalTo(world, { joiner, admitter, gate });
  for (let at = 4; at < refusal.length; at++) {
    const bent = refusal.slice();
    bent[at] = (bent[at] ?? 0) ^ 1;
    world.inject(joiner, admitter.address, bent);
  }
  world.inject(joiner, admitter.address, first);
  world.inject(joiner, asPath("198.51.100.7:666"), refusal);
  for (const length of [0, 4, 8, 24, refusal.length - 1]) {
    world.inject(joiner, admitter.address, refusal.subarray(0, length));
  }
  assert.equal(failures(joiner).length, before, "the handshake goes on");
  const { dropped } = joiner.sessions.stats();
  assert.deepEqual([dropped["wrong-path"], dropped["refused-key"]], [1, undefined]);
  world.inject(joiner, admitter.address, refusal);
  assert.deepEqual(failures(joiner).at(-1), ["refused", REASON]);
});

Deno.test("a member's handshake is never ended by a refusal, for every member could write one", () => {
  const world = new World();
  const [member, other] = [world.node(), world.node()];
  other.take({ type: "keys", keys: [], refused: [{ ...world.gate, reason: REASON }] });
  member.connect(other);
  world.run(1_000);
  assert.deepEqual(failures(member), []);
  assert.ok((member.sessions.stats().dropped["unknown-type"] ?? 0) > 0);
});

Deno.test("a refusal is bound to its hello and says a reason of its form, or is none", () => {
  const { joiner, admitter, gate } = pair();
  const hello = helloOf(joiner, admitter, gate);
  const made = (reason: string) => encodeRefusal(gate, { receiver: 1, reason, hello });
  assert.deepEqual(readRefusal(gate, made(REASON), hello), { ok: true, value: REASON });
  for (const reason of ["", "Revoked", "a b", "\x1b[31m", "a".repeat(33)]) {
    assert.deepEqual(readRefusal(gate, made(reason), hello).ok, false, JSON.stringify(reason));
  }
  const other = hello.slice();
  other[HELLO_BYTES - 1] = (other[HELLO_BYTES - 1] ?? 0) ^ 1;
  assert.deepEqual(readRefusal(gate, made(REASON), other), { ok: false, reason: "bad-mac" });
});

/** The first frame of a joiner, which nobody gets. */
function helloOf(joiner: Node, admitter: Node, gate: Pair["gate"]): Uint8Array {
  const out = joiner.connect(admitter, gate);
  const hello = out.find((each): each is SessionOut<string> & { type: "transmit" } =>
    each.type === "transmit"
  );
  assert.ok(hello);
  return hello.bytes;
}

/** What the admitter answers to a fresh hello, held back. */
function refusalTo(world: World, { joiner, admitter, gate }: Omit<Pair, "world">): Uint8Array {
  const out = world.inject(admitter, joiner.address, helloOf(joiner, admitter, gate));
  const [answer] = out;
  assert.ok(answer?.type === "transmit" && answer.bytes[3] === REFUSAL);
  return answer.bytes;
}
