/** What members may have a relay do, and what not; and the life of its sessions. */
import assert from "node:assert/strict";
import { type NetworkId, type PeerKey, seededRandom, splitPeerKey } from "../../src/base/mod.ts";
import {
  OFFER_MS,
  OFFERS_MAX,
  RELAY_LIMITS,
  type RelayLimits,
  RelayServerMachine,
  SESSION_IDLE_MS,
  SESSIONS_PER_MEMBER_MAX,
  SWEEP_MS,
} from "../../src/relay/mod.ts";
import { asPath } from "../../src/wire/mod.ts";
import { only, peer, Rig } from "./rig.ts";

const [ANN, BOB, CAT] = [peer("ann-4567890"), peer("bob-4567890"), peer("cat-4567890")];
const LIMITS: RelayLimits = { sessions: 3, bytesPerS: 1_000_000, sessionBytesPerS: 400_000 };

type Put = Parameters<RelayServerMachine["handle"]>[0];
type Got = Parameters<RelayServerMachine["handle"]>[2][number];
type Result = Extract<Put, { type: "answered" }>["result"];

const TAKEN: Result = { ok: true, answer: {} };
const LOST: Result = { ok: false, failed: "timeout" };

/** A relay that serves, at which Ann, Bob and Cat are registered. */
class Relay extends Rig<Put, Got> {
  #nextCall = 1;

  constructor(readonly relay: RelayServerMachine) {
    super(relay);
  }

  register(who: PeerKey, path: string | null): Got[] {
    return this.put({ type: "peer-moved", peer: who, path: path === null ? null : asPath(path) });
  }

  ask(from: PeerKey, to: PeerKey): { readonly call: number; readonly out: Got[] } {
    const call = this.#nextCall++;
    const question = { peer: splitPeerKey(to).node };
    const out = this.put({ type: "asked", call, from, name: "relay.allocate", question });
    return { call, out };
  }

  /** The other side answers the offer that came out. */
  answer(out: readonly Got[], result: Result): Got[] {
    const [ask] = only(out, "ask");
    assert.ok(ask);
    const { token, peer } = ask;
    return this.put({ type: "answered", token, peer, name: "relay.offer", result });
  }

  /** Asks for a session, which the other side takes. */
  allocate(from: PeerKey, to: PeerKey): number {
    const [reply] = only(this.answer(this.ask(from, to).out, TAKEN), "reply");
    assert.ok(reply?.ok);
    return reply.answer.session;
  }

  sessions(): number[] {
    return this.relay.pairs().map(({ session }) => session);
  }
}

function relay({ limits = LIMITS, registered = true } = {}): Relay {
  const rig = new Relay(new RelayServerMachine(seededRandom(5)));
  rig.put({ type: "relay-serve", limits });
  [ANN, BOB, CAT].forEach((who, i) => {
    rig.put({ type: "peer-up", peer: who, grants: ["rent"], renewed: false });
    if (registered) rig.register(who, `192.0.2.${i + 1}:9000`);
  });
  return rig;
}

function down(who: PeerKey, reason: string): Put {
  return { type: "peer-down", peer: who, reason };
}

/** Why the one call that was answered was refused. */
function refusal(out: readonly Got[]) {
  const [reply] = only(out, "reply");
  assert.ok(reply !== undefined && !reply.ok);
  return reply.refused;
}

Deno.test("a relay joins two members at the addresses that they proved", () => {
  const rig = relay();
  const { call, out } = rig.ask(ANN, BOB);
  const [session] = rig.sessions();
  assert.ok(session);
  assert.deepEqual(out, [
    { type: "relay-set", session, a: "192.0.2.1:9000", b: "192.0.2.2:9000" },
    {
      type: "ask",
      token: 1,
      peer: BOB,
      name: "relay.offer",
      question: { session, peer: "ann-4567890", address: "192.0.2.1:9000" },
      timeoutMs: OFFER_MS,
    },
  ]);
  assert.deepEqual(rig.answer(out, TAKEN), [{
    type: "reply",
    call,
    name: "relay.allocate",
    ok: true,
    answer: { session, address: "192.0.2.2:9000" },
  }]);
});

Deno.test("a relay forwards to nobody who is not registered there directly", () => {
  for (const path of [null, "192.0.2.9:9#00000001"]) {
    const rig = relay();
    rig.register(BOB, path);
    for (const [from, to] of [[ANN, BOB], [BOB, ANN]] as const) {
      const { out } = rig.ask(from, to);
      const message = "The peer bob-4567 is not registered at this relay";
      assert.deepEqual(refusal(out), { code: "unreachable", message });
      assert.equal(out.length, 1);
    }
  }
});

Deno.test("a session alone, without a path that is proven, registers nobody", () => {
  const rig = relay({ registered: false });
  assert.equal(refusal(rig.ask(ANN, BOB).out).code, "unreachable");
});

Deno.test("a relay joins nobody with itself, nor across networks", () => {
  const rig = relay();
  const message = "The relay joins two members of one network only";
  assert.deepEqual(refusal(rig.ask(ANN, ANN).out), { code: "refused", message });
  const foreign = peer("dan-4567890", "other" as NetworkId);
  rig.register(foreign, "192.0.2.4:9000");
  assert.equal(refusal(rig.ask(ANN, foreign).out).code, "unreachable"); // of that name, here
});

Deno.test("a node that is no relay refuses as one that does not know the call", () => {
  const machine = new RelayServerMachine(seededRandom(5));
  const rig = new Relay(machine);
  rig.register(ANN, "192.0.2.1:9000");
  rig.register(BOB, "192.0.2.2:9000");
  const { out } = rig.ask(ANN, BOB);
  const refused = { code: "unsupported", message: 'The peer does not serve "relay.allocate"' };
  assert.deepEqual(out, [{ type: "reply", call: 1, ok: false, refused }]);
  assert.equal(machine.limits(), undefined);
  assert.deepEqual(machine.pairs(), []);
  // Members that came before it began to serve are registered then.
  rig.put({ type: "relay-serve", limits: LIMITS });
  rig.allocate(ANN, BOB);
});

const UNTAKEN: Record<string, { result: Result; refused: object }> = {
  "in its own words": {
    result: { ok: false, refused: { code: "not-allowed", message: "no" } },
    refused: { code: "not-allowed", message: "peer bob-4567 says: no" },
  },
  "with how long to wait": {
    result: { ok: false, refused: { code: "refused", message: "busy", retryMs: 9 } },
    refused: { code: "refused", message: "peer bob-4567 says: busy", retryMs: 9 },
  },
  "as a refusal where it does not know the call": {
    result: { ok: false, refused: { code: "unsupported", message: "what?" } },
    refused: { code: "refused", message: "peer bob-4567 says: what?" },
  },
  "where nobody answered": {
    result: { ok: false, failed: "timeout" },
    refused: {
      code: "unreachable",
      message: "The peer bob-4567 did not answer relay.offer: timeout",
    },
  },
  "where the answer is nonsense": {
    result: { ok: false, failed: "malformed" },
    refused: {
      code: "refused",
      message: "The peer bob-4567 gave a malformed answer to relay.offer",
    },
  },
};

for (const [how, { result, refused }] of Object.entries(UNTAKEN)) {
  Deno.test(`a relay forwards no more when an offer is not taken, and says so ${how}`, () => {
    const rig = relay();
    const { call, out } = rig.ask(ANN, BOB);
    const [session] = rig.sessions();
    assert.deepEqual(rig.answer(out, result), [
      { type: "relay-remove", session },
      { type: "reply", call, ok: false, refused },
    ]);
    assert.deepEqual(rig.sessions(), []);
  });
}

Deno.test("a pair has one session, whoever of the two asks for it", () => {
  const rig = relay();
  const session = rig.allocate(ANN, BOB);
  assert.equal(rig.allocate(BOB, ANN), session);
  assert.deepEqual(rig.sessions(), [session]);
});

Deno.test("a session that carries something outlives an offer that gets lost", () => {
  const rig = relay();
  const session = rig.allocate(ANN, BOB);
  for (let i = 0; i < 3; i++) {
    const out = rig.answer(rig.ask(BOB, ANN).out, LOST);
    assert.equal(refusal(out).code, "unreachable");
    assert.deepEqual(only(out, "relay-remove"), []);
    assert.deepEqual(rig.sessions(), [session]);
  }
});

Deno.test("a session that one of two offers opened outlives the other offer, in any order", () => {
  for (const isTakenFirst of [true, false]) {
    const rig = relay();
    const offers = [rig.ask(ANN, BOB).out, rig.ask(BOB, ANN).out] as const;
    const [session] = rig.sessions();
    const first = rig.answer(offers[0], isTakenFirst ? TAKEN : LOST);
    const out: Got[] = [...first, ...rig.answer(offers[1], isTakenFirst ? LOST : TAKEN)];
    assert.deepEqual(only(out, "relay-remove"), []);
    assert.deepEqual(rig.sessions(), [session]);
  }
  const rig = relay();
  const offers = [rig.ask(ANN, BOB).out, rig.ask(BOB, ANN).out] as const;
  assert.equal(only(rig.answer(offers[0], LOST), "relay-remove").length, 0);
  assert.equal(only(rig.answer(offers[1], LOST), "relay-remove").length, 1);
});

Deno.test("two who ask for each other at once are each told where the other is", () => {
  const rig = relay();
  const offers = [rig.ask(ANN, BOB).out, rig.ask(BOB, ANN).out];
  const told = offers.flatMap((out) => only(rig.answer(out, TAKEN), "reply"))
    .map((reply) => reply.ok && reply.answer.address);
  assert.deepEqual(told, ["192.0.2.2:9000", "192.0.2.1:9000"]);
});

Deno.test("a member that moved is forwarded to its new address, and answers name that", () => {
  const rig = relay();
  const session = rig.allocate(ANN, BOB);
  rig.allocate(ANN, CAT);
  assert.deepEqual(rig.register(BOB, "198.51.100.2:7"), [
    { type: "relay-set", session, a: "192.0.2.1:9000", b: "198.51.100.2:7" },
  ]);
  assert.deepEqual(rig.register(BOB, "198.51.100.2:7"), []);
  assert.deepEqual(rig.register(BOB, "203.0.113.9:9000#00000001"), [], "no way to it directly");
  const { out } = rig.ask(CAT, ANN);
  rig.register(ANN, "198.51.100.1:8");
  const [reply] = only(rig.answer(out, TAKEN), "reply");
  assert.ok(reply?.ok);
  assert.equal(reply.answer.address, "198.51.100.1:8");
});

Deno.test("a member that left, or was put out, is forwarded to no more", () => {
  for (const reason of ["left", "closed"]) {
    const rig = relay();
    const [over, kept] = [rig.allocate(ANN, BOB), rig.allocate(ANN, CAT)];
    assert.deepEqual(rig.put(down(BOB, reason)), [{ type: "relay-remove", session: over }]);
    assert.deepEqual(rig.sessions(), [kept]);
    assert.equal(refusal(rig.ask(ANN, BOB).out).code, "unreachable");
  }
});

Deno.test("a member that was lost for a moment keeps its sessions, and comes back to them", () => {
  for (const reason of ["lost", "expired"]) {
    const rig = relay();
    const session = rig.allocate(ANN, BOB);
    assert.deepEqual(rig.put(down(BOB, reason)), []);
    assert.equal(refusal(rig.ask(ANN, BOB).out).code, "unreachable", "it is not there now");
    assert.deepEqual(rig.register(BOB, "192.0.2.2:9001"), [
      { type: "relay-set", session, a: "192.0.2.1:9000", b: "192.0.2.2:9001" },
    ]);
  }
});

Deno.test("whoever asks for a member that leaves meanwhile is told that it is not there", () => {
  for (const result of [LOST, TAKEN]) {
    const rig = relay();
    const { call, out } = rig.ask(ANN, BOB);
    const [session] = rig.sessions();
    assert.deepEqual(rig.put(down(BOB, "left")), [{ type: "relay-remove", session }]);
    const late = rig.answer(out, result);
    assert.deepEqual(late.map(({ type }) => type), ["reply"], "it is removed once");
    assert.equal(refusal(late).code, "unreachable");
    assert.equal(only(late, "reply")[0]?.call, call);
  }
});

Deno.test("a session that forwards nothing for its time is closed, one that forwards stays", () => {
  const rig = relay();
  const [quiet, used] = [rig.allocate(ANN, BOB), rig.allocate(ANN, CAT)];
  const removed: [number, unknown][] = [];
  for (let ms = SWEEP_MS; ms <= 2 * SESSION_IDLE_MS; ms += SWEEP_MS) {
    assert.deepEqual(rig.advance(SWEEP_MS), [{ atMs: ms, output: { type: "relay-usage" } }]);
    const sessions = [{ session: quiet, idleMs: ms }, { session: used, idleMs: 1_000 }];
    for (const out of rig.put({ type: "relay-used", sessions })) removed.push([ms, out]);
  }
  assert.deepEqual(removed, [[SESSION_IDLE_MS, { type: "relay-remove", session: quiet }]]);
  assert.deepEqual(rig.sessions(), [used]);
});

Deno.test("a session that the data path does not know is closed by what the relay knows", () => {
  const rig = relay();
  const session = rig.allocate(ANN, BOB);
  rig.advance(SESSION_IDLE_MS - 1);
  assert.deepEqual(rig.put({ type: "relay-used", sessions: [] }), []);
  rig.advance(1);
  const unknown = [{ session: session + 1, idleMs: 0 }];
  const removed = [{ type: "relay-remove", session }];
  assert.deepEqual(rig.put({ type: "relay-used", sessions: unknown }), removed);
});

Deno.test("a relay without sessions wants no waking", () => {
  const rig = relay();
  assert.equal(rig.machine.wakeup(), undefined);
  rig.allocate(ANN, BOB);
  assert.deepEqual(rig.machine.wakeup(), {
    at: SWEEP_MS as typeof rig.now,
    why: "the relay looks for idle sessions",
  });
  rig.put({ type: "wake" });
  assert.equal(rig.machine.wakeup()?.at, SWEEP_MS, "woken for something else");
  rig.put(down(BOB, "left"));
  assert.deepEqual(rig.advance(SWEEP_MS), []);
  assert.equal(rig.machine.wakeup(), undefined);
});

Deno.test("the data path is told the limits before anything is forwarded, and once", () => {
  const rig = new Relay(new RelayServerMachine(seededRandom(5)));
  const serve = { type: "relay-serve", limits: LIMITS } as const;
  assert.deepEqual(rig.put(serve), [{ type: "relay-limits", limits: LIMITS }]);
  assert.deepEqual(rig.put({ ...serve, limits: RELAY_LIMITS }), []);
  assert.deepEqual(rig.relay.limits(), LIMITS);
});

Deno.test("a relay that is full refuses one more session, and says so", () => {
  const rig = relay();
  const dan = peer("dan-4567890");
  rig.register(dan, "192.0.2.4:9000");
  for (const [from, to] of [[ANN, BOB], [ANN, CAT], [BOB, CAT]] as const) rig.allocate(from, to);
  const message = "The relay has no room for another session";
  assert.deepEqual(refusal(rig.ask(ANN, dan).out), { code: "refused", message });
  rig.allocate(ANN, BOB); // who has one keeps it
});

Deno.test("a member that asks for too many sessions is refused one more", () => {
  const rig = relay({ limits: RELAY_LIMITS });
  for (let i = 0; i <= SESSIONS_PER_MEMBER_MAX; i++) {
    rig.register(peer(`other-${i}`), `198.51.100.1:${i + 1}`);
    if (i < SESSIONS_PER_MEMBER_MAX) rig.allocate(ANN, peer(`other-${i}`));
  }
  const message = "A member has too many sessions at this relay";
  const { out } = rig.ask(ANN, peer(`other-${SESSIONS_PER_MEMBER_MAX}`));
  assert.deepEqual(refusal(out), { code: "refused", message });
});

Deno.test("a relay with too many offers under way puts off who asks, and takes it up again", () => {
  const rig = relay({ limits: RELAY_LIMITS });
  const offers = Array.from({ length: OFFERS_MAX }, () => rig.ask(ANN, BOB).out);
  const message = "The relay joins too many members at this moment";
  const refused = { code: "refused", message, retryMs: OFFER_MS };
  assert.deepEqual(refusal(rig.ask(ANN, CAT).out), refused);
  rig.answer(offers[0] ?? [], TAKEN);
  assert.equal(only(rig.ask(ANN, CAT).out, "ask").length, 1);
});

Deno.test("the view of a relay tells whom it joins", () => {
  const rig = relay();
  const session = rig.allocate(ANN, BOB);
  const [a, b] = [splitPeerKey(ANN).node, splitPeerKey(BOB).node];
  assert.deepEqual(rig.relay.pairs(), [{ session, a, b }]);
});

/** Every input in every state: whether the node is a relay, and whom it joins. */
Deno.test("no input changes what it is not about", () => {
  const states: Record<string, () => Relay> = {
    "no relay": () => new Relay(new RelayServerMachine(seededRandom(5))),
    "no sessions": () => relay(),
    "offered": () => {
      const rig = relay();
      rig.ask(ANN, BOB);
      return rig;
    },
    "open": () => {
      const rig = relay();
      rig.allocate(ANN, BOB);
      return rig;
    },
  };
  const inputs: Put[] = [
    { type: "wake" },
    { type: "peer-up", peer: ANN, grants: ["relay"], renewed: true },
    { type: "peer-up", peer: CAT, grants: [], renewed: false },
    { type: "peer-moved", peer: ANN, path: null },
    { type: "peer-moved", peer: CAT, path: asPath("198.51.100.3:3") },
    { type: "answered", token: 99, peer: BOB, name: "relay.offer", result: TAKEN },
    { type: "dialed", token: 1, peer: ANN },
    { type: "dial-failed", token: 1, reason: "timeout", detail: null },
    { type: "relay-used", sessions: [{ session: 7, idleMs: 1 }] },
    down(CAT, "left"),
    down(ANN, "lost"),
  ];
  for (const [state, begin] of Object.entries(states)) {
    for (const input of inputs) {
      const rig = begin();
      const before = rig.relay.pairs();
      assert.deepEqual(rig.put(input), [], `${state} × ${JSON.stringify(input)}`);
      assert.deepEqual(rig.relay.pairs(), before);
    }
  }
});

Deno.test("members at one address are not joined: the data path cannot, and they need no relay", () => {
  const rig = relay();
  rig.register(CAT, "192.0.2.2:9000");
  const { out } = rig.ask(BOB, CAT);
  assert.deepEqual(only(out, "relay-set"), []);
  assert.match(refusal(out)?.message ?? "", /two addresses/);
  assert.deepEqual(rig.sessions(), []);
});

Deno.test("who comes where the other side is, or was, is forwarded to no more", () => {
  const rig = relay();
  const session = rig.allocate(ANN, BOB);
  assert.deepEqual(rig.register(BOB, "192.0.2.1:9000"), [{ type: "relay-remove", session }]);
  assert.deepEqual(rig.sessions(), []);
});

Deno.test("of more members than there is room for, the one that moved longest ago is registered no more", () => {
  const rig = relay();
  const room = 16_384;
  for (let i = 0; i < room - 2; i++) rig.register(peer(`more-${i}`), "192.0.2.99:1");
  assert.equal(refusal(rig.ask(BOB, ANN).out).code, "unreachable");
  assert.equal(only(rig.ask(BOB, CAT).out, "ask").length, 1);
});
