/** The renter's book: what it says to every event in every state, and when it wakes. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { type NodeId, type PeerKey, peerKey, type VmId } from "../../src/base/mod.ts";
import {
  byLife,
  isEnded,
  isOver,
  isReachable,
  nextVmState,
  providerOf,
  type Rental,
  RentalBook,
  type RentalEvent,
  type RentalOut,
  VM_EVENTS,
  VM_STATES,
  VMS_PER_CALL_MAX,
  type VmState,
} from "../../src/market/mod.ts";
import {
  BookRig,
  CREATED,
  HOUR,
  inState,
  MINUTE,
  NO_TIMINGS,
  PROVIDER,
  reserved,
  SECOND,
  START_MS,
  vmId,
  word,
} from "./rental_samples.ts";
import { owner } from "./samples.ts";

/** As many VMs as may live, with requests under way. */
const LIVING_MAX = 4_096;

const ID = vmId(1);
const OTHER: PeerKey = peerKey(reserved().network, owner("q") as NodeId);

// State × event ----------------------------------------------------------------------------------

const EVENTS: Readonly<Record<string, RentalEvent>> = {
  "resume": { type: "resume" },
  "creating": { type: "creating", vm: ID },
  "created": { type: "created", vm: ID, created: CREATED, timings: NO_TIMINGS },
  "ready": { type: "ready", vm: ID },
  "noted": { type: "noted", vm: ID, reason: "given up" },
  "dropped": { type: "dropped", vm: ID, reason: "no use" },
  "told booting": { type: "told", from: PROVIDER, word: word("booting") },
  "told releasing": { type: "told", from: PROVIDER, word: word("releasing") },
  "told failed": { type: "told", from: PROVIDER, word: word("failed") },
  "told by another": { type: "told", from: OTHER, word: word("failed") },
  "answered without": { type: "answered", from: PROVIDER, asked: [ID], words: [] },
  "answered by another": { type: "answered", from: OTHER, asked: [ID], words: [] },
  "release": { type: "release", vm: ID, by: "person" },
  "released": { type: "released", vm: ID },
  "unreleased": { type: "unreleased", vm: ID },
  "peer-up": { type: "peer-up", peer: PROVIDER },
  "another is up": { type: "peer-up", peer: OTHER },
  "peer-down": { type: "peer-down", peer: PROVIDER },
  "wake": { type: "wake" },
};

const FAILS = "write failed, close, reachable";
const ENDS = "write released, close, reachable";
/** What the book says to each event in each state that lives. */
const SAYS: Readonly<Record<keyof typeof EVENTS, Readonly<Record<string, string>>>> = {
  "resume": { booting: "finish", releasing: "release" },
  "creating": { reserved: "write creating" },
  "created": { creating: "write creating, open, reachable" },
  "ready": { booting: "write ready" },
  "noted": {
    reserved: "write reserved",
    creating: "write creating",
    booting: "write booting",
    ready: "write ready",
    releasing: "write releasing",
  },
  "dropped": {
    reserved: `${FAILS}, release`,
    creating: `${FAILS}, release`,
    booting: `${FAILS}, release`,
    ready: `${FAILS}, release`,
    releasing: `${ENDS}, release`,
  },
  "told booting": {
    reserved: "word",
    creating: "write booting, word",
    booting: "word",
    ready: "word",
    releasing: "word",
  },
  "told releasing": {
    reserved: `${ENDS}, word`,
    creating: "write releasing, word",
    booting: "write releasing, word",
    ready: "write releasing, word",
    releasing: "word",
  },
  "told failed": {
    reserved: `${FAILS}, word`,
    creating: `${FAILS}, word`,
    booting: `${FAILS}, word`,
    ready: `${FAILS}, word`,
    releasing: `${ENDS}, word`,
  },
  "told by another": {},
  "answered without": {
    booting: "write lost, close, reachable",
    ready: "write lost, close, reachable",
    releasing: ENDS,
  },
  "answered by another": {},
  "release": {
    reserved: `${ENDS}, release`,
    creating: "write releasing, release",
    booting: "write releasing, release",
    ready: "write releasing, release",
    releasing: "release",
  },
  "released": { releasing: ENDS },
  "unreleased": {},
  "peer-up": { releasing: "release" },
  "another is up": {},
  "peer-down": {},
  "wake": {},
};

/** A book with one VM in that state. */
function holding(state: VmState): BookRig {
  const rig = new BookRig();
  const request = 1;
  rig.take({ type: "requested", request, name: null, key: null });
  if (state === "requested") return rig;
  rig.take({ type: "reserved", request, rental: reserved() });
  if (state === "creating") rig.take({ type: "creating", vm: ID });
  if (state === "reserved" || state === "creating") return rig;
  const after = new BookRig(); // of a state that has its way in, as a node before had written it
  after.restart(inState(state));
  return after;
}

for (const [name, event] of Object.entries(EVENTS)) {
  Deno.test(`the book says to "${name}" in every state what the table says`, () => {
    for (const state of VM_STATES) {
      const rig = holding(state);
      strictEqual(rig.told(event).join(", "), SAYS[name]?.[state] ?? "", `in ${state}`);
      const isHere = state !== "requested";
      strictEqual(rig.book.get(ID) !== undefined, isHere, `in ${state}`);
    }
  });
}

// A whole life -------------------------------------------------------------------------------------

Deno.test("a VM goes from its request to its release, each step written before it is done", () => {
  const rig = new BookRig();
  const rental = reserved({ name: "box", key: "k" });
  const told = [
    rig.told({ type: "requested", request: 7, name: "box", key: "k" }),
    rig.told({ type: "reserved", request: 7, rental }),
    rig.told({ type: "creating", vm: ID }),
    rig.told({ type: "created", vm: ID, created: CREATED, timings: NO_TIMINGS }),
    rig.told({ type: "told", from: PROVIDER, word: word("booting") }),
    rig.told({ type: "ready", vm: ID }),
    rig.told({ type: "given-up", request: 7 }),
    rig.told({ type: "release", vm: ID, by: "person" }),
    rig.told({ type: "released", vm: ID }),
  ];
  deepStrictEqual(told, [
    [],
    ["write reserved"],
    ["write creating"],
    ["write creating", "open", "reachable"],
    ["write booting", "word"],
    ["write ready"],
    [],
    ["write releasing", "release"],
    ["write released", "close", "reachable"],
  ]);
  strictEqual(rig.book.wakeup(), undefined, "nothing lives");
});

Deno.test("a dry run has no tunnel", () => {
  const rig = new BookRig();
  const { id: vm } = rig.reserve({ dryRun: true });
  rig.take({ type: "creating", vm });
  const created = { type: "created", vm, created: CREATED, timings: NO_TIMINGS } as const;
  deepStrictEqual(rig.told(created), ["write creating", "reachable"]);
  deepStrictEqual(rig.told({ type: "ready", vm }), ["write ready"]);
});

Deno.test("only a request that was told of, with a VM that is new, gets a place", () => {
  const rig = new BookRig();
  deepStrictEqual(rig.told({ type: "reserved", request: 1, rental: reserved() }), []);
  rig.ready();
  rig.take({ type: "requested", request: 2, name: null, key: null });
  deepStrictEqual(rig.told({ type: "reserved", request: 2, rental: reserved() }), [], "it lives");
  const other = reserved({ id: vmId(2), state: "ready" });
  deepStrictEqual(rig.told({ type: "reserved", request: 2, rental: other }), [], "not from there");
  strictEqual(rig.get().state, "ready");
});

Deno.test("a VM whose id ended before is released as any other", () => {
  const rig = new BookRig();
  const { id: vm } = rig.ready();
  rig.take({ type: "release", vm, by: "person" });
  rig.take({ type: "released", vm });
  rig.ready();
  deepStrictEqual(rig.told({ type: "release", vm, by: "person" }), ["write releasing", "release"]);
});

Deno.test("requests beyond the room are not kept, and get no place", () => {
  const rig = new BookRig();
  for (let request = 0; request <= LIVING_MAX; request++) {
    rig.take({ type: "requested", request, name: null, key: null });
  }
  const asked = { type: "reserved", request: LIVING_MAX, rental: reserved() } as const;
  deepStrictEqual(rig.told(asked), []);
  deepStrictEqual(rig.told({ ...asked, request: 0 }), ["write reserved"]);
});

// Names, keys, room --------------------------------------------------------------------------------

Deno.test("a name is taken while a request wants it or a VM that lives has it", () => {
  const rig = new BookRig();
  const box = { name: "box", key: null };
  rig.take({ type: "requested", request: 1, ...box });
  strictEqual(rig.book.refusalOf(box), "name-taken");
  rig.take({ type: "given-up", request: 1 });
  strictEqual(rig.book.refusalOf(box), null);
  const { id: vm } = rig.ready({ name: "box", key: "k" });
  strictEqual(rig.book.refusalOf(box), "name-taken");
  strictEqual(rig.book.refusalOf({ name: "box", key: "other" }), "name-taken");
  strictEqual(rig.book.refusalOf({ name: "box", key: "k" }), null, "it is the same VM");
  rig.take({ type: "release", vm, by: "person" });
  strictEqual(rig.book.refusalOf(box), "name-taken", "it lives until it is released");
  rig.take({ type: "released", vm });
  strictEqual(rig.book.refusalOf(box), null);
});

Deno.test("a key means the VM that lives, and none that is to end", () => {
  const rig = new BookRig();
  strictEqual(rig.book.withKey("k"), undefined);
  const { id: vm } = rig.ready({ key: "k" });
  deepStrictEqual([rig.book.withKey("k")?.id, rig.book.withKey(null)], [vm, undefined]);
  rig.take({ type: "release", vm, by: "request" });
  strictEqual(rig.book.withKey("k"), undefined);
});

Deno.test("no more requests begin than VMs may live, but for repetitions", () => {
  const rig = new BookRig();
  rig.ready({ key: "k" });
  for (let request = 1; request < LIVING_MAX - 1; request++) {
    rig.take({ type: "requested", request, name: null, key: null });
  }
  strictEqual(rig.book.refusalOf({ name: null, key: null }), null);
  rig.take({ type: "requested", request: 0, name: null, key: null });
  strictEqual(rig.book.refusalOf({ name: null, key: null }), "full");
  strictEqual(rig.book.refusalOf({ name: null, key: "k" }), null);
  rig.take({ type: "given-up", request: 5 });
  strictEqual(rig.book.refusalOf({ name: null, key: null }), null);
});

Deno.test("what its person released is known as that, a request's own release is not", () => {
  const rig = new BookRig();
  const [one, two] = [rig.ready({ id: vmId(1) }), rig.ready({ id: vmId(2) })];
  rig.take({ type: "release", vm: one.id, by: "request" });
  rig.take({ type: "release", vm: two.id, by: "person" });
  deepStrictEqual([one, two].map(({ id }) => rig.book.isGivenBack(id)), [false, true]);
});

// Leases -------------------------------------------------------------------------------------------

Deno.test("leases are renewed at a third of the shortest, a minute at most, a second at least", () => {
  const cases = [[30 * SECOND, 10 * SECOND], [24 * HOUR, MINUTE], [1, SECOND]] as const;
  for (const [leaseMs, everyMs] of cases) {
    const rig = new BookRig();
    rig.ready({ leaseMs });
    const times = rig.pass(3 * everyMs).map(([atMs, told]) => {
      deepStrictEqual(told, ["renew 1"]);
      return atMs;
    });
    deepStrictEqual(times, [everyMs, 2 * everyMs, 3 * everyMs]);
  }
});

Deno.test("requests that come and go do not put off the signs of life of others", () => {
  const rig = new BookRig();
  rig.ready();
  let beats = 0;
  for (let i = 0; i < 30; i++) {
    const { id: vm } = rig.ready({ id: vmId(2 + i) });
    beats += rig.pass(10 * SECOND).length;
    rig.take({ type: "release", vm, by: "person" });
    rig.take({ type: "released", vm });
  }
  strictEqual(beats, 5);
});

Deno.test("a shorter lease that comes has the next beat come sooner", () => {
  const rig = new BookRig();
  rig.ready();
  rig.pass(MINUTE - 20 * SECOND);
  rig.ready({ id: vmId(2), leaseMs: 30 * SECOND });
  deepStrictEqual(rig.pass(10 * SECOND), [[50 * SECOND, ["renew 2"]]]);
});

Deno.test("one call names no more VMs than it may, and those of one provider only", () => {
  const rig = new BookRig();
  const many = Array.from({ length: VMS_PER_CALL_MAX + 7 }, (_, i) => {
    return inState("ready", { id: vmId(i) });
  });
  const other = inState("ready", { id: vmId(900), provider: owner("q") as NodeId });
  rig.restart(...many, other);
  deepStrictEqual(rig.pass(MINUTE), [[MINUTE, ["renew 64", "renew 7", "renew 1"]]]);
});

Deno.test("what is not created, is to end or has ended gets no sign of life", () => {
  const rig = new BookRig();
  rig.reserve({ id: vmId(1) });
  rig.restart(inState("releasing", { id: vmId(2) }), inState("lost", { id: vmId(3) }));
  deepStrictEqual(rig.pass(MINUTE), [[MINUTE, ["release"]]]);
});

Deno.test("a provider that answers for some has lost the others", () => {
  const rig = new BookRig();
  rig.ready({ id: vmId(1) });
  rig.ready({ id: vmId(2) });
  const words = [word("ready", { vm: vmId(2), leaseLeftMs: 2 * HOUR })];
  rig.take({ type: "answered", from: PROVIDER, asked: [vmId(1), vmId(2)], words });
  deepStrictEqual([rig.get(vmId(1)).state, rig.get(vmId(2)).state], ["lost", "ready"]);
  match(rig.get(vmId(1)).reason ?? "", /does not know it/);
  strictEqual(rig.get(vmId(2)).leaseExpiresAtMs, START_MS + 2 * HOUR);
});

Deno.test("a provider that says another thing each time has the book write seldom, but for the end", () => {
  const rig = new BookRig();
  rig.ready();
  const writes = Array.from({ length: 500 }, (_, i) => {
    return rig.told({ type: "told", from: PROVIDER, word: word("ready", { reason: `now ${i}` }) });
  }).filter((told) => told.includes("write ready"));
  strictEqual(writes.length, 16);
  strictEqual(rig.get().reason, "now 499", "it is known all the same");
  const end = rig.told({ type: "told", from: PROVIDER, word: word("failed") });
  strictEqual(end[0], "write failed");
});

Deno.test("a silent provider's VM is over after its life, and one that is to end after its lease", () => {
  const rig = new BookRig();
  const [kept, given] = [rig.ready({ id: vmId(1) }), rig.ready({ id: vmId(2) })];
  rig.take({ type: "release", vm: given.id, by: "person" });
  rig.take({ type: "unreleased", vm: given.id });
  rig.pass(2 * HOUR);
  strictEqual(rig.get(given.id).state, "releasing");
  for (let i = 0; i < 6; i++) {
    rig.pass(MINUTE);
    rig.take({ type: "unreleased", vm: given.id });
  }
  deepStrictEqual([rig.get(given.id).state, rig.get(kept.id).state], ["released", "ready"]);
  rig.pass(22 * HOUR);
  deepStrictEqual([rig.get(kept.id).state, rig.get(kept.id).endReason], ["released", "expired"]);
  strictEqual(rig.book.wakeup(), undefined);
});

Deno.test("deadlines are of the wall clock, which errs: who speaks of a VM has it live on", () => {
  const rig = new BookRig();
  const [silent, heard] = [rig.ready({ id: vmId(1) }), rig.ready({ id: vmId(2) })];
  rig.skewMs = 25 * HOUR;
  for (let i = 0; i < 4; i++) {
    deepStrictEqual(rig.pass(MINUTE).flatMap(([, told]) => told), ["renew 2"]);
    const words = [word("ready", { vm: heard.id, lifeLeftMs: HOUR })];
    rig.take({ type: "answered", from: PROVIDER, asked: [heard.id], words });
  }
  rig.pass(MINUTE);
  deepStrictEqual([rig.get(silent.id).state, rig.get(heard.id).state], ["released", "ready"]);
});

Deno.test("a clock that is set while a provider is heard ends nothing before it speaks again", () => {
  const rig = new BookRig();
  const { id: vm } = rig.ready();
  rig.pass(10 * MINUTE - 1);
  rig.take({ type: "told", from: PROVIDER, word: word("ready") });
  rig.skewMs = 25 * HOUR;
  deepStrictEqual(rig.pass(1), [[10 * MINUTE, ["renew 1"]]]);
  strictEqual(rig.get(vm).state, "ready");
});

// Releases -----------------------------------------------------------------------------------------

Deno.test("a release is asked for once at a time, and again at the next beat or when its peer is up", () => {
  const rig = new BookRig();
  const { id: vm } = rig.ready();
  const release = { type: "release", vm, by: "person" } as const;
  deepStrictEqual(rig.told(release), ["write releasing", "release"]);
  deepStrictEqual(rig.told(release), [], "it is under way");
  deepStrictEqual(rig.told({ type: "peer-up", peer: PROVIDER }), []);
  rig.take({ type: "unreleased", vm });
  deepStrictEqual(rig.told({ type: "peer-up", peer: PROVIDER }), ["release"]);
  rig.take({ type: "unreleased", vm });
  deepStrictEqual(rig.pass(MINUTE), [[MINUTE, ["release"]]]);
  rig.take({ type: "unreleased", vm });
  deepStrictEqual(rig.told(release), ["release"]);
  rig.take({ type: "released", vm });
  deepStrictEqual(rig.told(release), [], "it has ended");
});

Deno.test("what is dropped ends here at once, and its provider is told once", () => {
  const rig = new BookRig();
  const { id: vm } = rig.create();
  rig.take({ type: "dropped", vm, reason: "another serves" });
  const { state, reason, endReason } = rig.get();
  deepStrictEqual([state, reason, endReason], ["failed", "another serves", "failed"]);
  rig.take({ type: "unreleased", vm });
  deepStrictEqual(rig.told({ type: "peer-up", peer: PROVIDER }), []);
  deepStrictEqual(rig.told({ type: "dropped", vm, reason: "again" }), []);
});

Deno.test("no word and no answer brings back what has ended or is to end", () => {
  const rig = new BookRig();
  const { id: vm } = rig.create();
  rig.take({ type: "release", vm, by: "person" });
  for (const state of ["booting", "ready"] as const) {
    rig.take({ type: "told", from: PROVIDER, word: word(state) });
    rig.take({ type: "ready", vm });
    strictEqual(rig.get().state, "releasing");
  }
  rig.take({ type: "released", vm });
  const told = rig.told({ type: "told", from: PROVIDER, word: word("booting") });
  deepStrictEqual([told, rig.get().state], [[], "released"]);
});

// Providers that go away ---------------------------------------------------------------------------

Deno.test("a provider that goes away while a VM boots is waited for, then told as gone", () => {
  const rig = new BookRig();
  const { id: vm } = rig.create();
  rig.take({ type: "peer-down", peer: PROVIDER });
  deepStrictEqual(rig.pass(14 * SECOND), []);
  rig.take({ type: "peer-up", peer: PROVIDER });
  deepStrictEqual(rig.pass(14 * SECOND), [], "it is back");
  rig.take({ type: "peer-down", peer: PROVIDER });
  deepStrictEqual(rig.pass(15 * SECOND), [[43 * SECOND, ["gone"]]]);
  strictEqual(rig.get(vm).state, "creating", "its lease may outlast that");
});

Deno.test("nobody waits for the provider of a VM that is ready", () => {
  const rig = new BookRig();
  rig.ready();
  rig.take({ type: "peer-down", peer: PROVIDER });
  deepStrictEqual(rig.pass(59 * SECOND), []);
});

// Restarts -----------------------------------------------------------------------------------------

Deno.test("a restart ends what was cut off before it was created, and nothing else", () => {
  const rig = new BookRig();
  const rows = VM_STATES.filter((state) => state !== "requested")
    .map((state, i) => inState(state, { id: vmId(i), key: "k" }));
  rig.restart(...rows);
  const states = rig.book.list().map(({ state }) => state);
  deepStrictEqual(states, [
    "failed",
    "failed",
    "booting",
    "ready",
    "releasing",
    "released",
    "failed",
    "lost",
  ]);
  match(rig.get(vmId(0)).reason ?? "", /cut off/);
});

Deno.test("after a restart nobody is called before that may be", () => {
  const rig = new BookRig();
  const rows = [inState("booting", { id: vmId(1) }), inState("releasing", { id: vmId(2) })];
  deepStrictEqual(rig.restart(...rows), []);
  deepStrictEqual(rig.told({ type: "resume" }), ["release", "finish"]);
  const finish = rig.take({ type: "resume" }).find(({ type }) => type === "finish");
  ok(finish?.type === "finish" && finish.rental.id === vmId(1));
});

Deno.test("what may have been created when the node ended is released, asked once", () => {
  const rig = new BookRig();
  const states = ["reserved", "creating", "booting", "releasing", "lost"] as const;
  rig.restart(...states.map((state, i) => inState(state, { id: vmId(i), created: null })));
  const asked = [1, 2, 3].map(vmId);
  const releases = asked.map((vm) => ({ type: "release", peer: PROVIDER, vm }));
  deepStrictEqual(rig.take({ type: "resume" }), releases);
  for (const vm of asked) rig.take({ type: "unreleased", vm });
  deepStrictEqual(rig.told({ type: "resume" }), []);
  deepStrictEqual(asked.map((vm) => rig.get(vm).state), ["failed", "failed", "released"]);
});

Deno.test("of the VMs that ended the newest 256 are remembered", () => {
  const rig = new BookRig();
  const rows = Array.from({ length: 300 }, (_, i) => {
    return inState("released", { id: vmId(i), endedAtMs: i });
  });
  const out = rig.restart(...rows);
  const forgotten = out.flatMap((each) => each.type === "forget" ? [each.vm] : []);
  deepStrictEqual(new Set(forgotten), new Set(rows.slice(0, 44).map(({ id }) => id)));
  const { id: vm } = rig.ready({ id: vmId(900) });
  rig.take({ type: "release", vm, by: "person" });
  const end = rig.take({ type: "released", vm });
  deepStrictEqual(end.at(-1), { type: "forget", vm: vmId(44) });
  strictEqual(rig.book.list().length, 256);
  const [first] = rig.book.list().toSorted(byLife);
  strictEqual(first?.id, vm);
});

// Whatever comes -----------------------------------------------------------------------------------

const anyVm = fc.nat({ max: 5 }).map(vmId);
const anyPeer = fc.constantFrom(PROVIDER, OTHER);
const anyWord = fc.record({
  vm: anyVm,
  state: fc.constantFrom(...VM_STATES.slice(1) as Exclude<VmState, "requested">[]),
  leaseLeftMs: fc.option(fc.nat({ max: HOUR })),
  lifeLeftMs: fc.option(fc.nat({ max: 24 * HOUR })),
  bootMs: fc.constant(null),
  reason: fc.option(fc.constantFrom("a", "b")),
  endReason: fc.option(fc.constantFrom("oom" as const, "evicted" as const)),
});
const anyEvent: fc.Arbitrary<RentalEvent> = fc.oneof(
  fc.constant({ type: "resume" } as const),
  fc.record({
    type: fc.constant("requested" as const),
    request: fc.nat({ max: 3 }),
    name: fc.option(fc.constantFrom("box", "web")),
    key: fc.option(fc.constantFrom("k", "l")),
  }),
  fc.record({ request: fc.nat({ max: 3 }), id: anyVm, key: fc.option(fc.constantFrom("k", "l")) })
    .map(({ request, ...rental }) => {
      return { type: "reserved" as const, request, rental: reserved(rental) };
    }),
  fc.record({ type: fc.constant("given-up" as const), request: fc.nat({ max: 3 }) }),
  anyVm.map((vm) => ({ type: "creating" as const, vm })),
  anyVm.map((vm) => {
    return { type: "created" as const, vm, created: CREATED, timings: NO_TIMINGS };
  }),
  anyVm.map((vm) => ({ type: "ready" as const, vm })),
  anyVm.map((vm) => ({ type: "noted" as const, vm, reason: "noted" })),
  anyVm.map((vm) => ({ type: "dropped" as const, vm, reason: "dropped" })),
  fc.record({ type: fc.constant("told" as const), from: anyPeer, word: anyWord }),
  fc.record({
    type: fc.constant("answered" as const),
    from: anyPeer,
    asked: fc.array(anyVm, { maxLength: 3 }),
    words: fc.array(anyWord, { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant("release" as const),
    vm: anyVm,
    by: fc.constantFrom("person" as const, "request" as const),
  }),
  anyVm.map((vm) => ({ type: "released" as const, vm })),
  anyVm.map((vm) => ({ type: "unreleased" as const, vm })),
  anyPeer.map((peer) => ({ type: "peer-up" as const, peer })),
  anyPeer.map((peer) => ({ type: "peer-down" as const, peer })),
  fc.constant({ type: "wake" } as const),
);

/** What hangs on the book's words: rows, tunnels, releases under way. */
class World {
  readonly rows = new Map<VmId, Rental>();
  readonly open = new Set<VmId>();
  readonly asked = new Set<VmId>();

  take(out: RentalOut): void {
    switch (out.type) {
      case "write": {
        const before = this.rows.get(out.rental.id);
        if (before !== undefined) follows(before, out.rental);
        this.rows.set(out.rental.id, out.rental);
        break;
      }
      case "forget":
        this.rows.delete(out.vm);
        break;
      case "open":
        ok(isReachable(out.rental) && !isOver(out.rental.state));
        this.open.add(out.rental.id);
        break;
      case "close":
        this.open.delete(out.rental.id);
        break;
      case "release":
        ok(!this.asked.has(out.vm), "a release is asked for once at a time");
        this.asked.add(out.vm);
        break;
      case "renew":
        ok(out.vms.length > 0 && out.vms.length <= VMS_PER_CALL_MAX);
        for (const vm of out.vms) ok(!isOver(this.rows.get(vm)?.state ?? "lost"));
        break;
      default:
        break;
    }
  }
}

/** A VM's row follows another along the table; words in between may not have been written. */
function follows(before: Rental, after: Rental): void {
  const reachable = new Set<VmState>([before.state]);
  for (const state of reachable) {
    for (const event of VM_EVENTS) {
      const next = nextVmState(state, event);
      if (next !== undefined) reachable.add(next);
    }
  }
  const isAnew = isEnded(before.state) && after.state === "reserved"; // an id that is drawn again
  ok(isAnew || reachable.has(after.state), `${before.state} → ${after.state}`);
}

Deno.test("whatever happens, rows follow the table, tunnels close, and each release is asked once", () => {
  fc.assert(fc.property(fc.array(fc.tuple(anyEvent, fc.nat({ max: MINUTE })), { maxLength: 80 }), (
    events,
  ) => {
    const rig = new BookRig();
    const world = new World();
    for (const [event, ms] of events) {
      if (event.type === "released" || event.type === "unreleased") {
        if (!world.asked.delete(event.vm)) continue; // comes only for what was asked
      }
      rig.nowMs += ms;
      for (const out of rig.take(event)) world.take(out);
      for (const rental of rig.book.list()) {
        const row = world.rows.get(rental.id);
        ok(row, "what the book knows is on the disk");
        strictEqual(isEnded(row.state), isEnded(rental.state));
        if (isEnded(rental.state)) ok(!world.open.has(rental.id) && rental.endReason !== null);
        ok(!rig.book.living().some((each) => each.id !== rental.id && sameName(each, rental)));
      }
      const lives = rig.book.living().length > 0;
      if (!lives) ok(!rig.book.wakeup() || rig.book.wakeup()?.why === "a provider is gone");
      else ok(rig.book.wakeup(), "what lives has a next beat");
    }
    const again = new RentalBook();
    const rentals = [...world.rows.values()];
    again.handle({ type: "restart", rentals, unixMs: rig.unixMs }, 0 as never, []);
    for (const rental of again.living()) ok(rental.created !== null && providerOf(rental));
  }));
});

function sameName(a: Rental, b: Rental): boolean {
  return a.name !== null && a.name === b.name;
}
