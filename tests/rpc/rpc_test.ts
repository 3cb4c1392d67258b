/** Calls: between two machines by hand, and over sessions in a storm. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  after,
  type Instant,
  type NetworkId,
  type NodeId,
  peerKey,
  seededRandom,
} from "../../src/base/mod.ts";
import {
  DEFAULT_RPC_LIMITS,
  RPC_BODY_BYTES_MAX,
  type RpcIn,
  type RpcLimits,
  RpcMachine,
  type RpcOut,
  type RpcResult,
} from "../../src/rpc/mod.ts";
import {
  type Ack,
  encodeAck,
  encodePiece,
  parseAck,
  parsePiece,
  type Piece,
  PIECES_MAX,
} from "../../src/rpc/layout.ts";
import { bytes, connected, STORM, World } from "../session/world.ts";

const PEER = peerKey("n".repeat(52) as NetworkId, "p".repeat(52) as NodeId);

/** One machine, its clock and what came out of it. */
class Side {
  readonly machine: RpcMachine;
  readonly out: RpcOut[] = [];
  now = 0 as Instant;

  constructor(seed: number, limits: Partial<RpcLimits> = {}) {
    this.machine = new RpcMachine({ random: seededRandom(seed), limits });
  }

  take(input: RpcIn): RpcOut[] {
    const out: RpcOut[] = [];
    this.machine.handle(input, this.now, out);
    this.out.push(...out);
    return out;
  }

  call(token: number, body: Uint8Array = bytes(1), timeoutMs = 60_000): RpcOut[] {
    return this.take({ type: "call", peer: PEER, method: "test.echo", body, timeoutMs, token });
  }

  answer(call: string, body: Uint8Array, isDone = true): RpcOut[] {
    return this.take({ type: "answer", peer: PEER, call, ok: isDone, body });
  }

  hear(...payloads: Uint8Array[]): RpcOut[] {
    return payloads.flatMap((bytes) => this.take({ type: "message", peer: PEER, bytes }));
  }

  /** Moves the clock to its next timer, or by a time, and wakes. */
  sleep(forMs?: number): RpcOut[] {
    this.now = forMs === undefined ? this.machine.wakeup()?.at ?? this.now : after(this.now, forMs);
    return this.take({ type: "wake" });
  }

  get results(): RpcResult[] {
    return this.out.filter((o) => o.type === "done").map((o) => o.result);
  }

  get requests() {
    return this.out.filter((o) => o.type === "request");
  }
}

function sent(out: readonly RpcOut[]): Uint8Array[] {
  return out.filter((o) => o.type === "send").map((o) => o.payload);
}

function pair(limits: Partial<RpcLimits> = {}): [Side, Side] {
  return [new Side(1), new Side(2, limits)];
}

function pieceOf(fields: Partial<Piece>): Uint8Array {
  const data = bytes(9, ...new TextEncoder().encode("test.echo"), 1);
  const piece = { isAnswer: false, isPoke: false, index: 0, count: 1, data };
  return encodePiece({ call: "00".repeat(16), ...piece, ...fields });
}

Deno.test("a call is asked, answered and acknowledged in four messages", () => {
  const [a, b] = pair();
  const [question = bytes()] = sent(a.call(7, bytes(1, 2, 3)));
  const [ack] = sent(b.hear(question));
  const [request] = b.requests;
  assert.ok(request && ack);
  assert.deepEqual([request.method, [...request.body]], ["test.echo", [1, 2, 3]]);
  assert.deepEqual(a.hear(ack), []);
  const [answer = bytes()] = sent(b.answer(request.call, bytes(4, 5)));
  const [answerAck = bytes(), ...rest] = sent(a.hear(answer));
  assert.deepEqual(a.results, [{ ok: true, body: bytes(4, 5) }]);
  assert.deepEqual([rest, b.hear(answerAck)], [[], []]);
  assert.deepEqual(a.machine.wakeup(), undefined);
  assert.deepEqual(b.machine.stats(), { calls: 0, inbound: 1, inboundBytes: 0, dropped: {} });
  b.sleep();
  assert.equal(b.machine.stats().inbound, 0, "forgotten after a minute");
  assert.equal(b.now, 60_000);
});

Deno.test("an answer of no is a result of its own, with its body", () => {
  const [a, b] = pair();
  b.hear(...sent(a.call(1)));
  a.hear(...sent(b.answer(b.requests[0]?.call ?? "", bytes(8), false)));
  assert.deepEqual(a.results, [{ ok: false, reason: "refused", body: bytes(8) }]);
});

for (const size of [0, 1, 1089, 1090, 1100, 16_383, RPC_BODY_BYTES_MAX]) {
  Deno.test(`a body of ${size} bytes goes there and comes back, pieces in any order`, () => {
    const [a, b] = pair();
    const body = seededRandom(size).bytes(size);
    const question = sent(a.call(1, body));
    assert.ok(question.every((payload) => payload.length <= 1120));
    b.hear(...question.toReversed());
    const [request] = b.requests;
    assert.deepEqual(request?.body, body);
    a.hear(...sent(b.answer(request?.call ?? "", body)).toReversed());
    assert.deepEqual(a.results, [{ ok: true, body }]);
    assert.equal(b.requests.length, 1);
  });
}

Deno.test("a question is repeated after 100 ms · 2ⁿ, and only the pieces that are missing", () => {
  const [a, b] = pair();
  const question = sent(a.call(1, new Uint8Array(5000), 5000));
  assert.equal(question.length, 5);
  const acks = sent(b.hear(...question.slice(0, 3)));
  a.hear(...acks);
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    assert.equal(sent(a.sleep()).length, 2);
    times.push(a.now);
  }
  assert.deepEqual(times, [100, 300, 700, 1500, 3100]);
  a.sleep();
  assert.deepEqual(a.results, [{ ok: false, reason: "timeout" }]);
  assert.equal(a.now, 5000);
  assert.equal(a.machine.wakeup(), undefined);
});

Deno.test("a call is executed once, however often its pieces come, and answered again on demand", () => {
  const [a, b] = pair();
  const question = sent(a.call(1));
  for (let i = 0; i < 5; i++) b.hear(...question);
  const [request] = b.requests;
  assert.ok(request);
  const answer = sent(b.answer(request.call, bytes(4)));
  for (let i = 0; i < 5; i++) b.hear(...question);
  assert.equal(b.requests.length, 1);
  b.now = after(b.now, 100);
  a.hear(...sent(b.hear(pieceOf({ call: request.call, isPoke: true, data: bytes() }))));
  assert.deepEqual(a.results, [{ ok: true, body: bytes(4) }]);
  b.hear(...sent(a.hear(...answer)));
  for (let i = 0; i < 5; i++) b.hear(...question);
  assert.equal(b.requests.length, 1, "nor after it was acknowledged");
});

Deno.test("an answer that is not acknowledged is sent nine times, then kept for ten minutes", () => {
  const [a, b] = pair();
  b.hear(...sent(a.call(1)));
  b.answer(b.requests[0]?.call ?? "", bytes(4));
  let sendings = 1;
  while (b.now < 60_000 && (b.machine.wakeup()?.at ?? Infinity) < 60_000) {
    sendings += sent(b.sleep()).length;
  }
  assert.equal(sendings, 9);
  assert.equal(b.machine.wakeup()?.at, 600_000);
  const poke = pieceOf({ call: b.requests[0]?.call ?? "", isPoke: true, data: bytes() });
  b.now = after(b.now, 60_000);
  assert.equal(sent(b.hear(poke)).length, 1, "the answer");
  b.sleep();
  assert.equal(b.machine.stats().inbound, 0);
});

Deno.test("an answer that is asked for without end is repeated no sooner than by ourselves", () => {
  const [a, b] = pair();
  b.hear(...sent(a.call(1)));
  const { call = "" } = b.requests[0] ?? {};
  const pieces = sent(b.answer(call, new Uint8Array(12_500))).length;
  const poke = pieceOf({ call, isPoke: true, data: bytes() });
  const pokes = (count: number) => sent(b.hear(...Array(count).fill(poke))).length;
  assert.equal(pokes(1_000), 0);
  b.now = after(b.now, 99);
  assert.equal(pokes(1_000), 0);
  b.now = after(b.now, 1);
  assert.equal(pokes(1_000), pieces);
  for (let i = 0; i < 100; i++) {
    b.now = after(b.now, 1);
    b.sleep(0);
    assert.equal(pokes(10), 0);
  }
  assert.equal(b.machine.stats().dropped["early-poke"], 1_000 + 1_000 + 999 + 1_000);
});

Deno.test("a caller asks after 5 s whether its answer got lost", () => {
  const [a, b] = pair();
  a.hear(...sent(b.hear(...sent(a.call(1)))));
  b.answer(b.requests[0]?.call ?? "", bytes(4));
  const pokes = sent(a.sleep());
  assert.equal(a.now, 5000);
  b.now = a.now;
  a.hear(...sent(b.hear(...pokes)));
  assert.deepEqual(a.results, [{ ok: true, body: bytes(4) }]);
});

Deno.test("a caller learns that the peer was started anew and has forgotten the call", () => {
  const [a, b] = pair();
  a.hear(...sent(b.hear(...sent(a.call(1)))));
  const fresh = new Side(3);
  a.hear(...sent(fresh.hear(...sent(a.sleep()))));
  assert.deepEqual(a.results, [{ ok: false, reason: "gone" }]);
  assert.deepEqual(fresh.requests, [], "a poke begins no call");
});

Deno.test("a session's end ends our calls to that peer, and only those", () => {
  const [a] = pair();
  a.call(1);
  a.take({
    type: "call",
    peer: PEER,
    kind: "invite",
    method: "x",
    body: bytes(),
    timeoutMs: 9,
    token: 2,
  });
  a.take({ type: "peer-gone", peer: PEER, kind: "epoch" });
  assert.deepEqual(a.out.filter((o) => o.type === "done"), [
    { type: "done", token: 1, result: { ok: false, reason: "gone" } },
  ]);
  a.take({ type: "peer-gone", peer: PEER });
  assert.equal(a.results.length, 2);
  assert.equal(a.machine.wakeup(), undefined);
});

Deno.test("a call that ran when the session ended is not executed again when the peer is back", () => {
  const [a, b] = pair();
  const question = sent(a.call(1));
  b.hear(...question);
  b.take({ type: "peer-gone", peer: PEER });
  b.hear(...question);
  b.answer(b.requests[0]?.call ?? "", bytes(4));
  b.take({ type: "peer-gone", peer: PEER });
  const resent = sent(b.sleep(30_000));
  assert.deepEqual(resent, [], "nobody is there to send it to");
  b.hear(...question);
  assert.equal(b.requests.length, 1);
  const poke = pieceOf({ call: b.requests[0]?.call ?? "", isPoke: true, data: bytes() });
  a.hear(...sent(b.hear(poke)));
  assert.deepEqual(a.results, [{ ok: true, body: bytes(4) }]);
});

Deno.test("a cancelled call has no result", () => {
  const [a, b] = pair();
  b.hear(...sent(a.call(1)));
  a.take({ type: "cancel", token: 1 });
  a.take({ type: "cancel", token: 99 });
  const acks = sent(a.hear(...sent(b.answer(b.requests[0]?.call ?? "", bytes(4)))));
  assert.deepEqual(a.results, []);
  b.hear(...acks);
  assert.equal(b.machine.stats().inboundBytes, 0, "the answer was acknowledged all the same");
  a.call(1);
  assert.equal(a.machine.stats().calls, 1, "the token is free again");
});

Deno.test("a caller's mistakes throw and leave nothing behind", () => {
  const [a] = pair();
  const call = {
    type: "call",
    peer: PEER,
    method: "x",
    body: bytes(),
    timeoutMs: 9,
    token: 1,
  } as const;
  for (const method of ["", "A", "1a", "a b", "x".repeat(33), "ä"]) {
    assert.throws(() => a.take({ ...call, method }), TypeError);
  }
  assert.throws(() => a.take({ ...call, body: new Uint8Array(16_385) }), RangeError);
  for (const timeoutMs of [0, -1, NaN, 600_001]) {
    assert.throws(() => a.take({ ...call, timeoutMs }), RangeError);
  }
  a.take(call);
  assert.throws(() => a.take(call), TypeError);
  assert.throws(() => a.answer("00", new Uint8Array(16_385)), RangeError);
  assert.equal(a.machine.stats().calls, 1);
});

Deno.test("our calls are bounded in all and per peer", () => {
  const side = new Side(1, { callsMax: 3, callsPerPeerMax: 2 });
  for (const token of [1, 2, 3]) side.call(token);
  assert.deepEqual(side.results, [{ ok: false, reason: "busy" }]);
  const other = peerKey("n".repeat(52) as NetworkId, "q".repeat(52) as NodeId);
  for (const token of [4, 5]) {
    side.take({ type: "call", peer: other, method: "x", body: bytes(), timeoutMs: 9, token });
  }
  assert.equal(side.results.length, 2);
  assert.equal(side.machine.stats().calls, 3);
});

const BOUNDS: readonly Partial<RpcLimits>[] = [
  { inboundPerPeerMax: 2 },
  { rememberedPerPeerMax: 2 },
  { inboundMax: 2 },
];

for (const limits of BOUNDS) {
  Deno.test(`a call beyond ${JSON.stringify(limits)} is refused before it is begun`, () => {
    const [a, b] = pair(limits);
    for (const token of [1, 2, 3]) a.hear(...sent(b.hear(...sent(a.call(token)))));
    assert.equal(b.requests.length, 2);
    assert.deepEqual(a.results, [{ ok: false, reason: "busy" }]);
    assert.equal(b.machine.stats().dropped.busy, 1);
  });
}

Deno.test("unfinished questions take a bounded memory and are dropped after 15 s", () => {
  const b = new Side(2, { inboundBytesMax: 10_000, inboundPerPeerMax: 1000 });
  for (let i = 0; i < 100; i++) {
    const call = i.toString(16).padStart(32, "0");
    b.hear(pieceOf({ call, count: 3, data: new Uint8Array(1100) }));
  }
  assert.equal(b.machine.stats().inbound, 10);
  assert.ok(b.machine.stats().inboundBytes <= 11_000);
  b.sleep(15_000);
  assert.deepEqual([b.machine.stats().inbound, b.machine.stats().inboundBytes], [0, 0]);
  assert.equal(b.machine.wakeup(), undefined);
});

Deno.test("a call that nobody answers is forgotten after ten minutes", () => {
  const [a, b] = pair();
  b.hear(...sent(a.call(1)));
  b.sleep(600_000);
  assert.equal(b.machine.stats().inbound, 0);
  b.answer(b.requests[0]?.call ?? "", bytes(4));
  assert.equal(b.machine.stats().dropped["unknown-call"], 1);
});

const BAD_PIECES: readonly (readonly [string, Uint8Array])[] = [
  ["an empty payload", bytes()],
  ["a kind that is no call's", bytes(9)],
  ["a cut head", pieceOf({}).subarray(0, 19)],
  ["no data", pieceOf({ data: bytes() })],
  ["too much data", pieceOf({ data: new Uint8Array(1101) })],
  ["a piece that should be full", pieceOf({ count: 2 })],
  ["no pieces at all", pieceOf({ count: 0 })],
  ["an index beyond the count", pieceOf({ index: 1 })],
  ["too many pieces", pieceOf({ count: PIECES_MAX + 1, data: new Uint8Array(1100) })],
  ["a poke with data", pieceOf({ isPoke: true })],
  ["an answer that pokes", pieceOf({ isPoke: true, isAnswer: true, data: bytes() })],
  ["a cut acknowledgement", bytes(4, ...new Uint8Array(20))],
  ["an acknowledgement of two minds", bytes(4, ...new Uint8Array(16), 6, 0, 0, 0, 0)],
  ["a question without a method", pieceOf({ data: bytes(0, 1) })],
  ["a method that is cut", pieceOf({ data: bytes(9, 97) })],
  ["a method that is too long", pieceOf({ data: bytes(33, ...new Uint8Array(40).fill(97)) })],
  ["a method in capitals", pieceOf({ data: bytes(1, 65) })],
];

for (const [name, payload] of BAD_PIECES) {
  Deno.test(`a payload with ${name} is dropped and counted`, () => {
    const [, b] = pair();
    b.hear(payload);
    assert.deepEqual(b.requests, []);
    assert.equal(Object.values(b.machine.stats().dropped).length, 1);
    assert.equal(b.machine.stats().inbound, 0);
  });
}

Deno.test("pieces of two messages under one call do not mix", () => {
  const [, b] = pair();
  const data = new Uint8Array(1100);
  b.hear(pieceOf({ count: 2, data }), pieceOf({ count: 3, index: 1, data }));
  assert.deepEqual(b.machine.stats().dropped, { "bad-piece": 1 });
});

Deno.test("an answer that makes no sense ends the call as gone", () => {
  const [a, b] = pair();
  b.hear(...sent(a.call(1)));
  const { call = "" } = b.requests[0] ?? {};
  a.hear(pieceOf({ call, isAnswer: true, data: bytes(7) }));
  assert.deepEqual(a.results, [{ ok: false, reason: "gone" }]);
});

Deno.test("an answer from another peer is not taken", () => {
  const [a, b] = pair();
  b.hear(...sent(a.call(1)));
  const other = peerKey("n".repeat(52) as NetworkId, "q".repeat(52) as NodeId);
  for (const payload of sent(b.answer(b.requests[0]?.call ?? "", bytes(4)))) {
    a.take({ type: "message", peer: other, bytes: payload });
    a.take({ type: "message", peer: PEER, kind: "invite", bytes: payload });
  }
  assert.deepEqual(a.results, []);
});

Deno.test("handle() never throws on a message, and its memory stays bounded", () => {
  const side = new Side(5, { ...DEFAULT_RPC_LIMITS, inboundMax: 50, inboundBytesMax: 20_000 });
  side.call(1);
  const own = sent(side.out)[0] ?? bytes();
  const heads = fc.constantFrom(
    bytes(3),
    bytes(4),
    own.slice(0, 17),
    bytes(3, ...new Uint8Array(16)),
  );
  const tail = fc.uint8Array({ maxLength: 1200 });
  const flags = fc.tuple(fc.nat(3), fc.nat(16), fc.nat(16)).map((three) => bytes(...three));
  fc.assert(
    fc.property(heads, flags, tail, fc.nat(2000), (head, flags, tail, waitMs) => {
      side.hear(bytes(...head, ...flags, ...tail));
      side.sleep(waitMs);
      assert.ok(side.machine.stats().inbound <= 50);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("parsePiece() and parseAck() reverse their encoders", () => {
  const call = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => id.toHex());
  const last = fc.uint8Array({ minLength: 1, maxLength: 1100 });
  const pieces = fc.record({ call, count: fc.integer({ min: 1, max: PIECES_MAX }), data: last });
  fc.assert(fc.property(pieces, fc.boolean(), ({ call, count, data }, isAnswer) => {
    const piece = { call, isAnswer, isPoke: false, index: count - 1, count, data };
    assert.deepEqual(parsePiece(encodePiece(piece)), { ok: true, value: piece });
  }));
  const verdict = fc.constantFrom<Ack["verdict"]>("received", "unknown", "busy");
  const acks = fc.record({ call, verdict, isAnswer: fc.boolean(), mask: fc.nat(2 ** 15) }, {
    noNullPrototype: true,
  });
  fc.assert(fc.property(acks, (ack) => {
    assert.deepEqual(parseAck(encodeAck(ack)), { ok: true, value: ack });
  }));
});

for (let seed = 1; seed <= 10; seed++) {
  Deno.test(`calls over sessions come through a storm, each executed once (seed ${seed})`, () => {
    const world = new World(seed);
    const [a, b] = connected(world);
    const executed = new Map<string, number>();
    b.onRequest = ({ peer, kind, call, body }) => {
      executed.set(call, (executed.get(call) ?? 0) + 1);
      return { type: "answer", peer, kind, call, ok: true, body: body.toReversed() };
    };
    world.weather = STORM;
    const bodies = Array.from({ length: 12 }, (_, i) => world.random.bytes(i * 1400));
    for (const [token, body] of bodies.entries()) {
      const call = { peer: b.peer, method: "test.reverse", body, timeoutMs: 60_000, token };
      a.takeRpc({ type: "call", ...call });
    }
    world.run(120_000);
    assert.equal(a.done.length, bodies.length);
    for (const { token, result } of a.done) {
      assert.ok(result.ok, `call ${token}: ${JSON.stringify(result)}`);
      assert.deepEqual(result.body, bodies[token]?.toReversed());
    }
    assert.deepEqual([...executed.values()], bodies.map(() => 1));
  });
}

Deno.test("a call lives through the renewal of its session", () => {
  const world = new World();
  const [a, b] = connected(world);
  a.takeRpc({
    type: "call",
    peer: b.peer,
    method: "vm.create",
    body: bytes(1),
    timeoutMs: 600_000,
    token: 1,
  });
  world.run(400_000);
  const [request] = b.asked;
  assert.ok(request);
  const { peer, kind, call } = request;
  b.takeRpc({ type: "answer", peer, kind, call, ok: true, body: bytes(2) });
  world.run(1000);
  assert.deepEqual(a.done.map((d) => d.result), [{ ok: true, body: bytes(2) }]);
  assert.equal(a.heard("closed").length, 0);
});
