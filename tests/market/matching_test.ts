import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { type Instant, type NodeId, seededRandom, type VmId } from "../../src/base/mod.ts";
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
  UNKNOWN_OFFER,
} from "../../src/market/mod.ts";
import { at, GIB, MIB, owner, policy, small } from "./samples.ts";

const WALLS = { isolation: null, confinement: null };
const REAL = { ...WALLS, dryRun: false };
const ROOMY: Offer = { accepting: true, cpu: 4, memoryBytes: GIB, storageBytes: GIB, ...REAL };
const VM = "a".repeat(16) as VmId;

function candidate(letter: string, rttMs: number | null, offer: Partial<Offer> = {}): Candidate {
  const seen = { trusted: false, shunned: false };
  return { node: owner(letter), rttMs, offer: { ...ROOMY, ...offer }, ...seen };
}

const NEAR = candidate("b", 5);
const FAR = candidate("c", 200);
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
  retryMs: null,
});

const order = (candidates: readonly Candidate[], seed = 1) =>
  orderCandidates(candidates, small, seededRandom(seed));

Deno.test("candidates are asked by what is known of them, then willingness, room, and nearness", () => {
  const trusted = { ...candidate("g", 300), trusted: true };
  const shunned = { ...candidate("h", 1), shunned: true };
  const trustedButShunned = { ...candidate("i", 400), trusted: true, shunned: true };
  const all = [CLOSED, shunned, FULL, trustedButShunned, FAR, trusted, NEAR];
  const expected = [trusted, NEAR, FAR, FULL, CLOSED, trustedButShunned, shunned];
  for (let seed = 1; seed < 20; seed++) deepStrictEqual(order(all, seed), expected);
});

Deno.test("round trips within 20 % or 5 ms of each other, and unknown ones, are drawn by lot", () => {
  const classes: readonly (readonly Candidate[])[] = [
    [candidate("b", 1), candidate("c", 6), candidate("d", null)],
    [candidate("e", 100), candidate("f", 120)],
    [candidate("g", 121)],
  ];
  const firsts = new Set<NodeId>();
  for (let seed = 1; seed < 100; seed++) {
    const ordered = order(classes.flat().toReversed(), seed);
    let at = 0;
    for (const each of classes) {
      const part = ordered.slice(at, at += each.length);
      deepStrictEqual(new Set(part), new Set(each));
    }
    firsts.add(ordered[0]?.node as NodeId);
  }
  strictEqual(firsts.size, 3, "each of the nearest comes first now and then");
});

Deno.test("no id and no word about itself puts a provider first among as many strangers", () => {
  const best = {
    cpu: 1_024,
    memoryBytes: 2 ** 50,
    isolation: "hardware",
    confinement: "full",
  } as const;
  const eve = candidate("2", null, best);
  const honest = [candidate("b", null), candidate("c", null), candidate("d", null)];
  const first = Array.from({ length: 400 }, (_, seed) => order([eve, ...honest], seed + 1)[0]);
  const wins = first.filter((each) => each === eve).length;
  ok(wins > 60 && wins < 140, `${wins} of 400, where a quarter is 100`);
});

Deno.test("a trusted provider gets longer before one is asked that nobody trusts", () => {
  const trusted = { ...NEAR, trusted: true };
  const machine = new MatchingMachine([trusted, FAR], small, seededRandom(1));
  handle(machine, { type: "start" });
  strictEqual(machine.wakeup()?.at, 3_000);
});

Deno.test("an offer fits where nothing that it tells is too small", () => {
  strictEqual(fits(ROOMY, small), true);
  strictEqual(fits({ ...ROOMY, cpu: 0 }, small), false);
  strictEqual(fits({ ...ROOMY, memoryBytes: 1 }, small), false);
  strictEqual(fits({ ...ROOMY, storageBytes: 0 }, { ...small, storageBytes: 1 }), false);
  strictEqual(fits(UNKNOWN_OFFER, small), true);
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
  deepStrictEqual(offerOf(facts), { ...offer, ...REAL });
  const walls = { isolation: "hardware", confinement: "namespaces" } as const;
  deepStrictEqual(offerOf({ ...facts, ...walls }), { ...offer, ...walls, dryRun: false });
  strictEqual(offerFacts(policy, { ...used, vms: 4 })["accepting"], false);
  strictEqual(offerFacts({ ...policy, accepting: false }, used)["accepting"], false);
});

Deno.test("an offer that says nothing, or nonsense, accepts nothing and tells no figures", () => {
  const unknown = { ...UNKNOWN_OFFER, accepting: false, dryRun: false };
  deepStrictEqual(offerOf({}), unknown);
  deepStrictEqual(
    offerOf({ accepting: "yes", cpu: "4", memoryBytes: -1, isolation: "steel" }),
    unknown,
  );
});

Deno.test("the nearest is asked, and wins with its reservation", () => {
  const machine = new MatchingMachine([FAR, NEAR], small, seededRandom(1));
  deepStrictEqual(handle(machine, { type: "start" }), [ask(NEAR)]);
  const won = handle(machine, { type: "reserved", node: NEAR.node, vm: VM });
  deepStrictEqual(won, [{ type: "won", node: NEAR.node, vm: VM }]);
  strictEqual(machine.wakeup(), undefined);
});

Deno.test("after a refusal the next is asked at once", () => {
  const machine = new MatchingMachine([NEAR, FAR], small, seededRandom(1));
  handle(machine, { type: "start" });
  deepStrictEqual(handle(machine, no(NEAR)), [ask(FAR)]);
});

Deno.test("one that does not answer for a while does not hold up the others", () => {
  const machine = new MatchingMachine([NEAR, FAR, candidate("d", 300)], small, seededRandom(1));
  handle(machine, { type: "start" });
  deepStrictEqual(machine.wakeup(), { at: at(300), why: "ask the next" });
  deepStrictEqual(handle(machine, { type: "wake" }, at(299)), []);
  deepStrictEqual(handle(machine, { type: "wake" }, at(300)), [ask(FAR)]);
  strictEqual(machine.wakeup()?.at, 900, "three round trips to the far one");
});

Deno.test("a reservation that comes too late is undone, and counted once", () => {
  const machine = new MatchingMachine([NEAR, FAR], small, seededRandom(1));
  handle(machine, { type: "start" });
  handle(machine, { type: "wake" }, at(300));
  handle(machine, { type: "reserved", node: FAR.node, vm: VM });
  const late: MatchingIn = { type: "reserved", node: NEAR.node, vm: VM };
  deepStrictEqual(handle(machine, late), [{ type: "undo", node: NEAR.node, vm: VM }]);
  deepStrictEqual(handle(machine, late), []);
});

Deno.test("an answer of a provider that was not asked is ignored", () => {
  const machine = new MatchingMachine([NEAR, FAR], small, seededRandom(1));
  handle(machine, { type: "start" });
  deepStrictEqual(handle(machine, { type: "reserved", node: FAR.node, vm: VM }), []);
  deepStrictEqual(handle(machine, no(FAR)), []);
});

Deno.test("when all have refused, the most telling refusal is the answer", () => {
  const machine = new MatchingMachine([NEAR, FAR], small, seededRandom(1));
  handle(machine, { type: "start" });
  handle(machine, no(NEAR, "unreachable"));
  const tried = [no(NEAR, "unreachable"), no(FAR)].map(({ type: _, ...each }) => each);
  deepStrictEqual(handle(machine, no(FAR)), [{ type: "lost", why: tried[1], tried }]);
});

Deno.test("with nobody to ask there is no provider", () => {
  const [lost] = handle(new MatchingMachine([], small, seededRandom(1)), { type: "start" });
  deepStrictEqual(lost, { type: "lost", why: null, tried: [] });
});

Deno.test("after a cancel nobody is asked, and what is still reserved is undone", () => {
  const machine = new MatchingMachine([NEAR, FAR], small, seededRandom(1));
  handle(machine, { type: "start" });
  deepStrictEqual(handle(machine, { type: "cancel" }), []);
  strictEqual(machine.wakeup(), undefined);
  const undo = handle(machine, { type: "reserved", node: NEAR.node, vm: VM });
  deepStrictEqual(undo, [{ type: "undo", node: NEAR.node, vm: VM }]);
});

Deno.test("a node that stands twice among the candidates is asked once", () => {
  const machine = new MatchingMachine([NEAR, NEAR], small, seededRandom(1));
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
    const machine = new MatchingMachine(all, small, seededRandom(1));
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
