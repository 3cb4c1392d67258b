import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { type Instant, isVmId, seededRandom, type VmId } from "../../src/base/mod.ts";
import {
  END_REASONS,
  ENDED_VMS_MAX,
  HostBook,
  type HostVm,
  isEnded,
  type Policy,
  RESERVATION_MS,
  type ReserveRequest,
  type VmState,
} from "../../src/market/mod.ts";
import { at, GIB, member, MIB, policy, request, small } from "./samples.ts";

const BOB = member("b");
const EVE = member("e");

function newBook(changes: Partial<Policy> = {}, vms: Iterable<HostVm> = []): HostBook {
  return new HostBook({ ...policy, ...changes }, seededRandom(7), vms);
}

function reserved(book: HostBook, now: Instant, changes: Partial<ReserveRequest> = {}): HostVm {
  const answer = book.reserve(request(changes), now);
  if (answer.type === "refused") throw new Error(answer.refusal.message);
  return answer.vm;
}

/** A VM of Bob's, brought to `state` at time 0. */
function inState(book: HostBook, state: VmState): VmId {
  const { id } = reserved(book, at(0));
  const steps: readonly [VmState, () => unknown][] = [
    ["reserved", () => undefined],
    ["creating", () => book.create(BOB, id, at(0))],
    ["booting", () => book.launched(id)],
    ["ready", () => book.ready(id, at(0))],
  ];
  const last = steps.findIndex(([name]) => name === state);
  for (const [, step] of steps.slice(0, last < 0 ? steps.length : last + 1)) step();
  if (state === "releasing" || state === "released") book.release(BOB, id);
  if (state === "released") book.ended(id, "released");
  if (state === "failed") book.ended(id, "failed");
  if (state === "lost") book.lost(id);
  strictEqual(book.get(id)?.state, state);
  return id;
}

Deno.test("a VM goes from reservation to ready and, released by its owner, to its end", () => {
  const book = newBook();
  const { id, state } = reserved(book, at(0));
  strictEqual(isVmId(id), true);
  strictEqual(state, "reserved");
  const created = book.create(BOB, id, at(5_000));
  ok(created.ok && created.value.first);
  strictEqual(book.launched(id), true);
  strictEqual(book.ready(id, at(6_000)), true);
  const released = book.release(BOB, id);
  ok(released.ok);
  strictEqual(released.value.state, "releasing");
  strictEqual(book.used().vms, 1);
  const ended = book.ended(id, "guest-exit");
  deepStrictEqual([ended?.state, ended?.endReason], ["released", "released"]);
  strictEqual(book.used().vms, 0);
});

Deno.test("the same owner and key get the same VM until its end is decided", () => {
  const book = newBook();
  const first = reserved(book, at(0), { key: "build" });
  deepStrictEqual(book.reserve(request({ key: "build" }), at(1)), { type: "existing", vm: first });
  book.create(BOB, first.id, at(2));
  const bigger = { ...small, cpu: 2 };
  const again = book.reserve(request({ key: "build", requirements: bigger }), at(3));
  strictEqual(again.type === "existing" && again.vm.id, first.id);
  book.release(BOB, first.id);
  const second = reserved(book, at(4), { key: "build" });
  strictEqual(second.id === first.id, false);
});

Deno.test("an existing VM is found even where a new one would be refused", () => {
  const book = newBook();
  const { id } = reserved(book, at(0), { key: "k" });
  book.setPolicy({ ...policy, accepting: false, allow: [] });
  const again = book.reserve(request({ key: "k" }), at(1));
  strictEqual(again.type === "existing" && again.vm.id, id);
});

Deno.test("another owner's equal key is another VM", () => {
  const book = newBook();
  const bobs = reserved(book, at(0), { key: "k" });
  const eves = reserved(book, at(0), { key: "k", owner: EVE });
  strictEqual(bobs.id === eves.id, false);
});

Deno.test("without a key every reservation is a new VM", () => {
  const book = newBook({ startingPerOwnerMax: 2 });
  const [first, second] = [reserved(book, at(0)), reserved(book, at(0))];
  strictEqual(first.id === second.id, false);
});

Deno.test("one VM starts and two live per owner", () => {
  const book = newBook();
  const { id } = reserved(book, at(0));
  const starting = book.reserve(request(), at(0));
  strictEqual(starting.type === "refused" && starting.refusal.code, "provider-full");
  book.create(BOB, id, at(0));
  book.launched(id);
  strictEqual(book.reserve(request(), at(0)).type, "refused");
  book.ready(id, at(0));
  const second = reserved(book, at(0));
  book.create(BOB, second.id, at(0));
  book.launched(second.id);
  book.ready(second.id, at(0));
  strictEqual(book.reserve(request(), at(0)).type, "refused");
  strictEqual(book.reserve(request({ owner: EVE }), at(0)).type, "reserved");
});

Deno.test("reservations count against the room of the provider until they are over", () => {
  const book = newBook({ cpu: 1 });
  reserved(book, at(0));
  strictEqual(book.reserve(request({ owner: EVE }), at(RESERVATION_MS - 1)).type, "refused");
  strictEqual(book.reserve(request({ owner: EVE }), at(RESERVATION_MS)).type, "reserved");
});

Deno.test("a reservation that is not created in 10 s ends without anything to stop", () => {
  const book = newBook();
  const { id } = reserved(book, at(0));
  deepStrictEqual(book.wakeup(), { at: at(10_000), why: "reservation" });
  deepStrictEqual(book.expire(at(9_999)), []);
  const [expiry, ...rest] = book.expire(at(10_000));
  deepStrictEqual([expiry?.stop, expiry?.vm.state, expiry?.vm.endReason, rest.length], [
    false,
    "released",
    "reservation",
    0,
  ]);
  strictEqual(book.wakeup(), undefined);
  deepStrictEqual(book.create(BOB, id, at(10_001)), { ok: false, reason: "lease-ended" });
});

Deno.test("create() again starts nothing a second time", () => {
  const book = newBook();
  const { id } = reserved(book, at(0));
  const answers = [1, 2, 3].map((ms) => book.create(BOB, id, at(ms)));
  deepStrictEqual(answers.map((answer) => answer.ok && answer.value.first), [true, false, false]);
});

Deno.test("a lease ends that long after the owner's last sign of life", () => {
  const book = newBook();
  const id = inState(book, "ready");
  const touched = book.touch(BOB, id, at(30_000));
  ok(touched.ok);
  strictEqual(touched.value.deadline, 90_000);
  deepStrictEqual(book.wakeup(), { at: at(90_000), why: "lease" });
  const [expiry] = book.expire(at(90_000));
  deepStrictEqual([expiry?.stop, expiry?.vm.state, expiry?.vm.endReason], [
    true,
    "releasing",
    "lease",
  ]);
  deepStrictEqual(book.expire(at(90_001)), [], "told once");
  strictEqual(book.ended(id, "lease")?.state, "released");
});

Deno.test("a sign of life that comes after the deadline renews nothing", () => {
  const book = newBook();
  const id = inState(book, "ready");
  deepStrictEqual(book.touch(BOB, id, at(60_000)), { ok: false, reason: "lease-ended" });
  deepStrictEqual(book.touchAll(BOB, at(60_000)), []);
  strictEqual(book.get(id)?.deadline, 60_000);
});

Deno.test("a lease is never shortened, and never longer than the life", () => {
  const book = newBook();
  const id = inState(book, "ready");
  const extended = book.extend(BOB, id, 3_600_000, at(0));
  strictEqual(extended.ok && extended.value.deadline, 3_600_000);
  const touched = book.touch(BOB, id, at(1_000));
  strictEqual(touched.ok && touched.value.deadline, 3_600_000);
  const most = book.extend(BOB, id, 3_600_000, at(3_599_999));
  strictEqual(most.ok && most.value.deadline, 7_199_999);
  const capped = book.extend(BOB, id, 3_600_000, at(7_000_000));
  strictEqual(capped.ok && capped.value.deadline, 7_200_000);
  const [expiry] = book.expire(at(7_200_000));
  strictEqual(expiry?.vm.endReason, "life");
});

Deno.test("extend() is cut to the policy's longest lease, and takes nonsense as nothing", () => {
  const book = newBook();
  const id = inState(book, "ready");
  for (const nonsense of [NaN, -1, 0, -Infinity]) {
    const same = book.extend(BOB, id, nonsense, at(0));
    strictEqual(same.ok && same.value.deadline, 60_000);
  }
  const cut = book.extend(BOB, id, Infinity, at(0));
  strictEqual(cut.ok && cut.value.deadline, 3_600_000);
});

Deno.test("a longer lease than the policy gives is cut when it is asked for", () => {
  const book = newBook({ leaseMsMax: 40_000 });
  const { requirements } = reserved(book, at(0), { requirements: { ...small, leaseMs: 1e9 } });
  strictEqual(requirements.leaseMs, 40_000);
});

Deno.test("a heartbeat renews every leased VM of its owner and no other's", () => {
  const book = newBook();
  const first = inState(book, "ready");
  const waiting = reserved(book, at(0));
  const eves = reserved(book, at(0), { owner: EVE });
  book.create(EVE, eves.id, at(0));
  deepStrictEqual(book.touchAll(BOB, at(5_000)).map(({ id }) => id), [first]);
  strictEqual(book.get(first)?.deadline, 65_000);
  strictEqual(book.get(waiting.id)?.deadline, RESERVATION_MS);
  strictEqual(book.get(eves.id)?.deadline, 60_000);
});

Deno.test("nobody but the owner creates, touches, extends or releases a VM", () => {
  const book = newBook();
  const { id } = reserved(book, at(0));
  const before = book.get(id);
  const refused = { ok: false, reason: "not-owner" };
  deepStrictEqual(book.create(EVE, id, at(1)), refused);
  deepStrictEqual(book.touch(EVE, id, at(1)), refused);
  deepStrictEqual(book.extend(EVE, id, 1, at(1)), refused);
  deepStrictEqual(book.release(EVE, id), refused);
  strictEqual(book.get(id), before);
});

Deno.test("a VM that the book does not know is not found", () => {
  const book = newBook();
  const id = "aaaaaaaaaaaaaaaa" as VmId;
  const missing = { ok: false, reason: "not-found" };
  deepStrictEqual(book.create(BOB, id, at(0)), missing);
  deepStrictEqual(book.touch(BOB, id, at(0)), missing);
  deepStrictEqual(book.extend(BOB, id, 1, at(0)), missing);
  deepStrictEqual(book.release(BOB, id), missing);
  deepStrictEqual(book.evict(id), missing);
  strictEqual(book.ended(id, "lease"), undefined);
  strictEqual(book.lost(id), undefined);
  strictEqual(book.adopt(id, { leaseLeftMs: 1, lifeLeftMs: 1, ready: true }, at(0)), undefined);
  strictEqual(book.launched(id) || book.ready(id, at(0)), false);
});

/** State after each call; `=` leaves it, `!` refuses with lease-ended. */
const CALLS: Readonly<Record<string, string>> = {
  //          create   touch extend release   evict     launched ready
  reserved: " creating =     =      released  released  =        =",
  creating: " =        =     =      releasing releasing booting  =",
  booting: "  =        =     =      releasing releasing =        ready",
  ready: "    =        =     =      releasing releasing =        =",
  releasing: "!        =     =      =         =         =        =",
  released: " !        !     !      =         =         =        =",
  failed: "   !        !     !      =         =         =        =",
  lost: "     !        !     !      =         =         =        =",
};

Deno.test("every call in every state does what the table says", () => {
  const calls: readonly ((book: HostBook, id: VmId) => unknown)[] = [
    (book, id) => book.create(BOB, id, at(1)),
    (book, id) => book.touch(BOB, id, at(1)),
    (book, id) => book.extend(BOB, id, 1, at(1)),
    (book, id) => book.release(BOB, id),
    (book, id) => book.evict(id),
    (book, id) => book.launched(id),
    (book, id) => book.ready(id, at(1)),
  ];
  for (const [state, row] of Object.entries(CALLS)) {
    const actual = calls.map((call) => {
      const book = newBook();
      const id = inState(book, state as VmState);
      const answer = call(book, id);
      const after = book.get(id)?.state;
      if (after !== state) return after;
      return JSON.stringify(answer) === `{"ok":false,"reason":"lease-ended"}` ? "!" : "=";
    });
    deepStrictEqual(actual, row.trim().split(/ +/), state);
  }
});

/** State after the machine is gone for that reason, from each state. */
const ENDS: Readonly<Record<string, string>> = {
  //          reservation lease    life     released evicted  oom      disk     guest-exit failed   lost
  reserved:
    " released    released released released released failed   failed   failed     failed   lost",
  creating:
    " released    released released released released failed   failed   failed     failed   lost",
  booting:
    "  released    released released released released failed   failed   failed     failed   lost",
  ready:
    "    released    released released released released failed   failed   released   failed   lost",
  releasing:
    "released    released released released released released released released   released released",
  released:
    " released    released released released released released released released   released released",
  failed:
    "   failed      failed   failed   failed   failed   failed   failed   failed     failed   failed",
  lost:
    "     lost        lost     lost     lost     lost     lost     lost     lost       lost     lost",
};

Deno.test("every end of the machine in every state leads where the table says", () => {
  for (const [state, row] of Object.entries(ENDS)) {
    const actual = END_REASONS.map((reason) => {
      const book = newBook();
      return book.ended(inState(book, state as VmState), reason)?.state;
    });
    deepStrictEqual(actual, row.trim().split(/ +/), state);
  }
});

Deno.test("the reason that was decided first stands, with its first detail", () => {
  const book = newBook();
  const id = inState(book, "ready");
  book.evict(id);
  book.release(BOB, id);
  const ended = book.ended(id, "failed", "QEMU died of signal 9");
  deepStrictEqual([ended?.endReason, ended?.endDetail], ["evicted", "QEMU died of signal 9"]);
  deepStrictEqual(book.ended(id, "lost", "later"), ended);
});

Deno.test("after a restart the helper's timers are the truth", () => {
  const book = newBook();
  const id = inState(book, "creating");
  const word = { leaseLeftMs: 12_000, lifeLeftMs: 50_000, ready: true };
  const adopted = book.adopt(id, word, at(100_000));
  deepStrictEqual(
    [adopted?.state, adopted?.deadline, adopted?.lifeEndsAt, adopted?.readyAt],
    ["ready", 112_000, 150_000, 100_000],
  );
  strictEqual(book.touch(BOB, id, at(110_000)).ok, true);
  strictEqual(book.get(id)?.deadline, 150_000);
});

Deno.test("adopt() brings back no VM that has ended, and stops none that is being released", () => {
  const word = { leaseLeftMs: 1, lifeLeftMs: 1, ready: true };
  for (const state of ["reserved", "released", "failed", "lost"] as const) {
    const book = newBook();
    strictEqual(book.adopt(inState(book, state), word, at(0)), undefined, state);
  }
  const book = newBook();
  strictEqual(book.adopt(inState(book, "releasing"), word, at(0))?.state, "releasing");
});

Deno.test("only so many ended VMs are remembered, the youngest", () => {
  const book = newBook();
  const ids = Array.from({ length: ENDED_VMS_MAX + 3 }, () => {
    const { id } = reserved(book, at(0));
    book.release(BOB, id);
    return id;
  });
  deepStrictEqual(book.list().map(({ id }) => id), ids.slice(3));
  const id = inState(book, "ready");
  strictEqual(book.list().length, ENDED_VMS_MAX + 1);
  strictEqual(book.living()[0]?.id, id);
});

Deno.test("used() sums what has not ended", () => {
  const book = newBook({ startingPerOwnerMax: 2 });
  reserved(book, at(0), { requirements: { ...small, storageBytes: GIB } });
  reserved(book, at(0), { requirements: { ...small, cpu: 2 } });
  const { id } = reserved(book, at(0), { owner: EVE });
  book.release(EVE, id);
  deepStrictEqual(book.used(), {
    vms: 2,
    cpu: 3,
    memoryBytes: 1024 * MIB,
    storageBytes: GIB,
  });
});

/** One random step: what is done, by whom, to which of the VMs so far, after how long. */
interface Step {
  readonly act: "reserve" | "create" | "launched" | "ready" | "touch" | "extend" | "release";
  readonly who: number;
  readonly which: number;
  readonly cpu: number;
  readonly ms: number;
  readonly end: boolean;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  act: fc.constantFrom("reserve", "create", "launched", "ready", "touch", "extend", "release"),
  who: fc.nat(2),
  which: fc.nat(5),
  cpu: fc.integer({ min: -1, max: 5 }),
  ms: fc.nat(30_000),
  end: fc.boolean(),
});

function take(book: HostBook, step: Step, now: Instant): void {
  const who = member("bcd".charAt(step.who));
  const living = book.living();
  const id = living[step.which % Math.max(1, living.length)]?.id ?? ("a".repeat(16) as VmId);
  const requirements = { ...small, cpu: step.cpu };
  if (step.act === "reserve") {
    book.reserve(request({ owner: who, key: step.end ? "k" : null, requirements }), now);
  } else if (step.act === "create") book.create(who, id, now);
  else if (step.act === "launched") book.launched(id);
  else if (step.act === "ready") book.ready(id, now);
  else if (step.act === "touch") book.touch(who, id, now);
  else if (step.act === "extend") book.extend(who, id, step.ms * 10, now);
  else if (step.end) book.ended(id, "guest-exit");
  else book.release(who, id);
}

function assertSane(book: HostBook, now: Instant): void {
  const used = book.used();
  ok(used.vms <= policy.maxVms && used.cpu <= policy.cpu);
  ok(used.memoryBytes <= policy.memoryBytes && used.storageBytes <= policy.storageBytes);
  for (const vm of book.living()) {
    ok(vm.deadline <= (vm.lifeEndsAt ?? Infinity));
    ok(vm.state === "releasing" || vm.deadline > now, "what is over has been ended");
    const own = book.living().filter((other) => other.owner === vm.owner);
    ok(own.length <= policy.livingPerOwnerMax);
    const active = own.filter((other) => other.key !== null && other.state !== "releasing");
    strictEqual(new Set(active.map(({ key }) => key)).size, active.length, "one VM per key");
  }
}

Deno.test("whatever happens in whatever order, the book stays within policy and nothing revives", () => {
  fc.assert(fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
    const book = newBook();
    const ended = new Map<VmId, HostVm>();
    let now = at(0);
    for (const step of steps) {
      now = at(now + step.ms);
      book.expire(now);
      take(book, step, now);
      assertSane(book, now);
      for (const vm of ended.values()) deepStrictEqual(book.get(vm.id), vm);
      for (const vm of book.list().filter(({ state }) => isEnded(state))) ended.set(vm.id, vm);
    }
  }));
});
