/** One rental: every change in every state. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  isNews,
  nextVmState,
  type ProviderWord,
  rentalAfter,
  type RentalChange,
  VM_EVENTS,
  VM_STATES,
  type VmState,
} from "../../src/market/mod.ts";
import { CREATED, HOUR, inState, MINUTE, NO_TIMINGS, START_MS, word } from "./rental_samples.ts";

const LATER_MS = START_MS + 10 * MINUTE;
const told = (state: ProviderWord["state"]): RentalChange => ({ type: "told", word: word(state) });

/** Every change, and the state that it leads to from each; `-`: it has no place there. */
const TABLE: readonly (readonly [RentalChange, string])[] = [
  //                                   requested reserved  creating  booting   ready     releasing
  [{ type: "creating" }, "             -         creating  -         -         -         -"],
  [{ type: "ready" }, "                -         -         -         ready     -         -"],
  [{ type: "dropped", reason: "x" }, " failed    failed    failed    failed    failed    released"],
  [{ type: "cut-off" }, "              failed    failed    failed    -         -         -"],
  [{ type: "unknown" }, "              -         -         -         lost      lost      released"],
  [
    { type: "release" },
    "              released  released  releasing releasing releasing releasing",
  ],
  [{ type: "released" }, "             -         -         -         -         -         released"],
  [{ type: "over" }, "                 -         -         -         -         -         -"],
  [
    told("reserved"),
    "                 requested reserved  creating  booting   ready     releasing",
  ],
  [
    told("creating"),
    "                 requested reserved  creating  booting   ready     releasing",
  ],
  [
    told("booting"),
    "                  requested reserved  booting   booting   ready     releasing",
  ],
  [
    told("ready"),
    "                    requested reserved  booting   booting   ready     releasing",
  ],
  [
    told("releasing"),
    "                released  released  releasing releasing releasing releasing",
  ],
  [told("released"), "                 released  released  released  released  released  released"],
  [told("failed"), "                   failed    failed    failed    failed    failed    released"],
  [told("lost"), "                     lost      lost      lost      lost      lost      released"],
];

const LIVING = VM_STATES.slice(0, 6);

for (const [change, row] of TABLE) {
  const name = change.type === "told" ? `told ${change.word.state}` : change.type;
  Deno.test(`a rental takes "${name}" in every state as the table says`, () => {
    const states = row.trim().split(/ +/);
    for (const [i, state] of LIVING.entries()) {
      const rental = inState(state);
      const after = rentalAfter(rental, change, LATER_MS);
      if (states[i] === "-") strictEqual(after, rental, `${name} in ${state}`);
      else strictEqual(after.state, states[i], `${name} in ${state}`);
    }
    for (const state of ["released", "failed", "lost"] as const) {
      const rental = inState(state);
      strictEqual(rentalAfter(rental, change, LATER_MS), rental, `${name} in ${state}`);
    }
  });
}

Deno.test("a rental goes only where the table of states leads", () => {
  const reached = (from: VmState) => {
    const states = new Set<VmState | undefined>([from]);
    for (const event of VM_EVENTS) states.add(nextVmState(from, event));
    for (const event of VM_EVENTS) { // ready, where its boot was not told
      const launched = nextVmState(from, "launched");
      if (launched !== undefined) states.add(nextVmState(launched, event));
    }
    return states;
  };
  const created: RentalChange = { type: "created", created: CREATED, timings: NO_TIMINGS };
  for (const [change] of [...TABLE, [created, ""] as const]) {
    for (const state of VM_STATES) {
      const after = rentalAfter(inState(state), change, LATER_MS);
      strictEqual(reached(state).has(after.state), true, `${change.type} in ${state}`);
    }
  }
});

Deno.test("a rental has its way in only once, while it is awaited", () => {
  const created = { ...CREATED, tunnel: 99 };
  const change: RentalChange = { type: "created", created, timings: NO_TIMINGS };
  for (const state of VM_STATES) {
    const rental = { ...inState(state), created: null };
    const after = rentalAfter(rental, change, LATER_MS);
    const isAwaited = state === "creating" || state === "booting";
    deepStrictEqual([after.state, after.created], [state, isAwaited ? created : null]);
    if (isAwaited) strictEqual(rentalAfter(after, change, LATER_MS), after);
  }
});

Deno.test("lease and life begin when the VM is created, as they were granted", () => {
  const rental = inState("creating", { leaseMs: 3 * HOUR, lifeMs: HOUR });
  const change: RentalChange = { type: "created", created: CREATED, timings: NO_TIMINGS };
  const { leaseExpiresAtMs, lifeEndsAtMs, checkedAtMs } = rentalAfter(rental, change, LATER_MS);
  deepStrictEqual([leaseExpiresAtMs, lifeEndsAtMs, checkedAtMs], [
    LATER_MS + HOUR,
    LATER_MS + HOUR,
    LATER_MS,
  ]);
});

Deno.test("a VM whose boot was not told is ready when its ssh answers, from then on", () => {
  const timings = { ...NO_TIMINGS, ssh: 5 };
  const creating = inState("creating", { created: CREATED });
  const ready = rentalAfter(creating, { type: "ready", timings }, LATER_MS);
  deepStrictEqual([ready.state, ready.readyAtMs, ready.timings], ["ready", LATER_MS, timings]);
  strictEqual(rentalAfter(ready, { type: "ready" }, LATER_MS + 1), ready);
});

Deno.test("a reason is noted while the VM lives, and a word of the provider's comes over it", () => {
  const noted = rentalAfter(inState("booting"), { type: "noted", reason: "given up" }, LATER_MS);
  deepStrictEqual([noted.state, noted.reason], ["booting", "given up"]);
  const change: RentalChange = { type: "told", word: word("failed", { reason: "no disk" }) };
  strictEqual(rentalAfter(noted, change, LATER_MS).reason, "no disk");
  strictEqual(rentalAfter(noted, told("failed"), LATER_MS).reason, "given up");
});

Deno.test("each end has its time, and the first word that was said about why", () => {
  const ends = (change: RentalChange, rental = inState("ready")) => {
    const { state, endReason, endedAtMs } = rentalAfter(rental, change, LATER_MS);
    return [state, endReason, endedAtMs === LATER_MS];
  };
  deepStrictEqual(ends({ type: "dropped", reason: "x" }), ["failed", "failed", true]);
  deepStrictEqual(ends({ type: "unknown" }), ["lost", "lost", true]);
  deepStrictEqual(ends({ type: "told", word: word("failed", { endReason: "oom" }) }), [
    "failed",
    "oom",
    true,
  ]);
  const evicting = { type: "told", word: word("releasing", { endReason: "evicted" }) } as const;
  const evicted = rentalAfter(inState("ready"), evicting, START_MS);
  deepStrictEqual([evicted.endReason, evicted.endedAtMs], ["evicted", null]);
  deepStrictEqual(ends({ type: "released" }, evicted), ["released", "evicted", true]);
  deepStrictEqual(ends({ type: "unknown" }, inState("releasing")), ["released", "released", true]);
});

Deno.test("of a VM that lives no word says why it ended", () => {
  const change: RentalChange = { type: "told", word: word("booting", { endReason: "oom" }) };
  strictEqual(rentalAfter(inState("booting"), change, LATER_MS).endReason, null);
});

Deno.test("a word moves the deadlines that it names, and tells when it was heard", () => {
  const rental = inState("ready");
  const heard = (changes: Partial<ProviderWord>) => {
    const change: RentalChange = { type: "told", word: word("ready", changes) };
    const after = rentalAfter(rental, change, LATER_MS);
    return [after.leaseExpiresAtMs, after.lifeEndsAtMs, after.checkedAtMs];
  };
  deepStrictEqual(heard({}), [rental.leaseExpiresAtMs, rental.lifeEndsAtMs, LATER_MS]);
  deepStrictEqual(heard({ leaseLeftMs: 5, lifeLeftMs: 7 }), [LATER_MS + 5, LATER_MS + 7, LATER_MS]);
});

Deno.test("a VM is over five minutes after its life; one that is to end, after its last lease", () => {
  const lifeEndsAtMs = START_MS + 24 * HOUR;
  const slackMs = 5 * MINUTE;
  const after = (state: VmState, unixMs: number) => {
    const { state: end, endReason } = rentalAfter(inState(state), { type: "over" }, unixMs);
    return [end, endReason];
  };
  deepStrictEqual(after("ready", lifeEndsAtMs + slackMs - 1), ["ready", null]);
  deepStrictEqual(after("ready", lifeEndsAtMs + slackMs), ["released", "expired"]);
  deepStrictEqual(after("releasing", START_MS + 2 * HOUR + slackMs - 1), ["releasing", null]);
  deepStrictEqual(after("releasing", START_MS + 2 * HOUR + slackMs), ["released", "released"]);
});

Deno.test("news is what a restart would have to know", () => {
  const rental = inState("ready");
  const news = (changes: Partial<typeof rental>) => isNews(rental, { ...rental, ...changes });
  const lease = rental.leaseExpiresAtMs ?? 0;
  strictEqual(news({ checkedAtMs: LATER_MS }), false);
  strictEqual(news({ leaseExpiresAtMs: lease + HOUR / 10 }), false);
  strictEqual(news({ leaseExpiresAtMs: lease + HOUR / 10 + 1 }), true);
  strictEqual(news({ lifeEndsAtMs: START_MS }), true);
  strictEqual(news({ state: "releasing" }), true);
  strictEqual(news({ reason: "x" }), true);
  strictEqual(news({ endReason: "oom" }), true);
  strictEqual(isNews({ ...rental, checkedAtMs: null }, rental), true);
});
