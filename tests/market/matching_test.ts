import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import type { Instant, NodeId, VmId } from "../../src/base/mod.ts";
import {
  ASKED_AT_ONCE_MAX,
  ASKED_MAX,
  type Candidate,
  fits,
  type MatchingIn,
  MatchingMachine,
  type MatchingOut,
  type Offer,
  offerFacts,
  offerOf,
  orderCandidates,
} from "../../src/market/mod.ts";
import { at, GIB, MIB, owner, policy, small } from "./samples.ts";

const ROOMY: Offer = { accepting: true, cpu: 4, memoryBytes: GIB, storageBytes: GIB };
const VM = "a".repeat(16) as VmId;

function candidate(letter: string, rttMs: number | null, offer: Partial<Offer> = {}): Candidate {
  return { node: owner(letter), rttMs, offer: { ...ROOMY, ...offer } };
}

const NEAR = candidate("b", 5);
const FAR = candidate("c", 200);
const UNKNOWN = candidate("d", null);
const FULL = candidate("e", 1, { memoryBytes: MIB });
const CLOSED = candidate("f", 1, { accepting: false });

function handle(machine: MatchingMachine, input: MatchingIn, now: Instant = at(0)): MatchingOut[] {
  const out: MatchingOut[] = [];
  machine.handle(input, now, out);
  return out;
}

const ask = ({ node }: Candidate): MatchingOut => ({ type: "ask", node });
const no = ({ node }: Candidate, code: "provider-full" | "unreachable" = "provider-full") => ({
  type: "refused" as const,
  node,
  code,
  message: `${code}!`,
});

Deno.test("candidates are asked by willingness, then room, then nearness, unknown ones last", () => {
  const ordered = orderCandidates([CLOSED, FULL, UNKNOWN, FAR, NEAR], small);
  deepStrictEqual(ordered, [NEAR, FAR, UNKNOWN, FULL, CLOSED]);
});

Deno.test("the order does not depend on the order in which candidates were found", () => {
  const all = [CLOSED, FULL, UNKNOWN, FAR, NEAR, candidate("g", null), candidate("h", 5)];
  const shuffled = fc.shuffledSubarray(all, { minLength: all.length });
  fc.assert(fc.property(shuffled, (candidates) => {
    deepStrictEqual(orderCandidates(candidates, small), orderCandidates(all, small));
  }));
});

Deno.test("an offer fits where nothing that it tells is too small", () => {
  strictEqual(fits(ROOMY, small), true);
  strictEqual(fits({ ...ROOMY, cpu: 0 }, small), false);
  strictEqual(fits({ ...ROOMY, memoryBytes: 1 }, small), false);
  strictEqual(fits({ ...ROOMY, storageBytes: 0 }, { ...small, storageBytes: 1 }), false);
  const silent = { accepting: true, cpu: null, memoryBytes: null, storageBytes: null };
  strictEqual(fits(silent, small), true);
});

Deno.test("what a provider offers is what is left, read back by the renter", () => {
  const used = { vms: 1, cpu: 3, memoryBytes: GIB, storageBytes: 0 };
  const facts = offerFacts(policy, used);
  deepStrictEqual(facts, {
    accepting: true,
    vms: 1,
    cpu: 1,
    memoryBytes: 3 * GIB,
    storageBytes: 8 * GIB,
  });
  const offer = { accepting: true, cpu: 1, memoryBytes: 3 * GIB, storageBytes: 8 * GIB };
  deepStrictEqual(offerOf(facts), offer);
  strictEqual(offerFacts(policy, { ...used, vms: 4 })["accepting"], false);
  strictEqual(offerFacts({ ...policy, accepting: false }, used)["accepting"], false);
});

Deno.test("an offer that says nothing, or nonsense, accepts nothing and tells no figures", () => {
  const unknown = { accepting: false, cpu: null, memoryBytes: null, storageBytes: null };
  deepStrictEqual(offerOf({}), unknown);
  deepStrictEqual(offerOf({ accepting: "yes", cpu: "4", memoryBytes: -1 }), unknown);
});

Deno.test("the nearest is asked, and wins with its reservation", () => {
  const machine = new MatchingMachine([FAR, NEAR], small);
  deepStrictEqual(handle(machine, { type: "start" }), [ask(NEAR)]);
  const won = handle(machine, { type: "reserved", node: NEAR.node, vm: VM });
  deepStrictEqual(won, [{ type: "won", node: NEAR.node, vm: VM }]);
  strictEqual(machine.wakeup(), undefined);
});

Deno.test("after a refusal the next is asked at once", () => {
  const machine = new MatchingMachine([NEAR, FAR], small);
  handle(machine, { type: "start" });
  deepStrictEqual(handle(machine, no(NEAR)), [ask(FAR)]);
});

Deno.test("one that does not answer for a while does not hold up the others", () => {
  const machine = new MatchingMachine([NEAR, FAR, UNKNOWN], small);
  handle(machine, { type: "start" });
  deepStrictEqual(machine.wakeup(), { at: at(300), why: "ask the next" });
  deepStrictEqual(handle(machine, { type: "wake" }, at(299)), []);
  deepStrictEqual(handle(machine, { type: "wake" }, at(300)), [ask(FAR)]);
  strictEqual(machine.wakeup()?.at, 900, "three round trips to the far one");
});

Deno.test("a reservation that comes too late is undone, and counted once", () => {
  const machine = new MatchingMachine([NEAR, FAR], small);
  handle(machine, { type: "start" });
  handle(machine, { type: "wake" }, at(300));
  handle(machine, { type: "reserved", node: FAR.node, vm: VM });
  const late: MatchingIn = { type: "reserved", node: NEAR.node, vm: VM };
  deepStrictEqual(handle(machine, late), [{ type: "undo", node: NEAR.node, vm: VM }]);
  deepStrictEqual(handle(machine, late), []);
});

Deno.test("an answer of a provider that was not asked is ignored", () => {
  const machine = new MatchingMachine([NEAR, FAR], small);
  handle(machine, { type: "start" });
  deepStrictEqual(handle(machine, { type: "reserved", node: FAR.node, vm: VM }), []);
  deepStrictEqual(handle(machine, no(FAR)), []);
});

Deno.test("when all have refused, the most telling refusal is the answer", () => {
  const machine = new MatchingMachine([NEAR, FAR], small);
  handle(machine, { type: "start" });
  handle(machine, no(NEAR, "unreachable"));
  const tried = [no(NEAR, "unreachable"), no(FAR)].map(({ node, code, message }) => ({
    node,
    code,
    message,
  }));
  deepStrictEqual(handle(machine, no(FAR)), [
    { type: "lost", code: "provider-full", message: "provider-full!", tried },
  ]);
});

Deno.test("with nobody to ask there is no provider", () => {
  const [lost] = handle(new MatchingMachine([], small), { type: "start" });
  strictEqual(lost?.type === "lost" && lost.code, "no-provider");
});

Deno.test("after a cancel nobody is asked, and what is still reserved is undone", () => {
  const machine = new MatchingMachine([NEAR, FAR], small);
  handle(machine, { type: "start" });
  deepStrictEqual(handle(machine, { type: "cancel" }), []);
  strictEqual(machine.wakeup(), undefined);
  const undo = handle(machine, { type: "reserved", node: NEAR.node, vm: VM });
  deepStrictEqual(undo, [{ type: "undo", node: NEAR.node, vm: VM }]);
});

Deno.test("a node that stands twice among the candidates is asked once", () => {
  const machine = new MatchingMachine([NEAR, NEAR], small);
  handle(machine, { type: "start" });
  strictEqual(handle(machine, no(NEAR))[0]?.type, "lost");
});

const LETTERS = "bcdefghijklmnopqrstuvwxyz";
const anyInput: fc.Arbitrary<MatchingIn> = fc.oneof(
  fc.constant<MatchingIn>({ type: "wake" }),
  fc.nat(24).map((i) => ({ type: "reserved" as const, node: owner(LETTERS.charAt(i)), vm: VM })),
  fc.nat(24).map((i) => no(candidate(LETTERS.charAt(i), 1))),
);

Deno.test("whatever the answers, at most one wins, all other reservations are undone, few are asked", () => {
  const all = [...LETTERS].map((letter, i) => candidate(letter, i));
  fc.assert(fc.property(fc.array(anyInput, { maxLength: 120 }), (inputs) => {
    const machine = new MatchingMachine(all, small);
    const out = handle(machine, { type: "start" });
    const open = new Set<NodeId>(out.flatMap((o) => o.type === "ask" ? [o.node] : []));
    const asked = new Set(open);
    let [ends, now] = [0, 0];
    for (const input of inputs) {
      const answers = "node" in input && open.delete(input.node);
      const effects = handle(machine, input, at(now += 1_000));
      for (const effect of effects) {
        if (effect.type === "ask") open.add(effect.node), asked.add(effect.node);
        else if (effect.type !== "undo") ends++;
      }
      if (input.type === "reserved") strictEqual(effects.length, answers ? 1 : 0);
    }
    ok(ends <= 1 && open.size <= ASKED_AT_ONCE_MAX && asked.size <= ASKED_MAX);
  }));
});
