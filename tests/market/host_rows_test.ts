import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { seededRandom } from "../../src/base/mod.ts";
import {
  fromHostRow,
  HostBook,
  type HostRow,
  type HostVm,
  parseHostRow,
  RESERVATION_MS,
  toHostRow,
} from "../../src/market/mod.ts";
import { at, member, policy, request } from "./samples.ts";

const NOON = 1_795_000_000_000;

function readyVm(): HostVm {
  const book = new HostBook(policy, seededRandom(3));
  const answer = book.reserve(request({ key: "k" }), at(1_000));
  if (answer.type === "refused") throw new Error(answer.refusal.message);
  book.create(member("b"), answer.vm.id, at(2_000));
  book.launched(answer.vm.id);
  book.ready(answer.vm.id, at(3_000));
  return book.get(answer.vm.id) ?? answer.vm;
}

function throughJson(row: HostRow): HostRow {
  const parsed = parseHostRow(JSON.parse(JSON.stringify(row)));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.value;
}

Deno.test("a VM survives a restart with its times, whatever the new origin of the clock is", () => {
  const vm = readyVm();
  const row = throughJson(toHostRow(vm, { now: at(10_000), unixMs: NOON }));
  strictEqual(row.deadlineMs, NOON + 52_000);
  const restored = fromHostRow(row, policy, { now: at(500), unixMs: NOON + 1_000 });
  const shift = 500 - 11_000;
  deepStrictEqual(restored, {
    ...vm,
    requestedAt: at(1_000 + shift),
    readyAt: at(3_000 + shift),
    deadline: at(62_000 + shift),
    lifeEndsAt: at(7_202_000 + shift),
  });
});

Deno.test("a clock that was set back makes no lease longer than the policy gives", () => {
  const row = toHostRow(readyVm(), { now: at(10_000), unixMs: NOON });
  const dayBefore = { now: at(0), unixMs: NOON - 86_400_000 };
  const restored = fromHostRow(row, policy, dayBefore);
  strictEqual(restored.deadline, policy.leaseMsMax);
  strictEqual(restored.lifeEndsAt, policy.lifeMsMax);
  strictEqual(restored.requestedAt, 0);
  const waiting = { ...row, state: "reserved", lifeEndsAtMs: null } as const;
  strictEqual(fromHostRow(waiting, policy, dayBefore).deadline, RESERVATION_MS);
});

Deno.test("a clock that was set forward ends a lease, until the helper says otherwise", () => {
  const row = toHostRow(readyVm(), { now: at(10_000), unixMs: NOON });
  const clock = { now: at(0), unixMs: NOON + 86_400_000 };
  const book = new HostBook(policy, seededRandom(1), [fromHostRow(row, policy, clock)]);
  book.adopt(row.id, { leaseLeftMs: 30_000, lifeLeftMs: 60_000, ready: true }, at(0));
  deepStrictEqual(book.expire(at(0)), []);
  strictEqual(book.get(row.id)?.deadline, 30_000);
});

const BAD: readonly [string, unknown][] = [
  ["id", "short"],
  ["id", "A".repeat(16)],
  ["owner", "nobody"],
  ["key", "a b"],
  ["key", 3],
  ["requirements", null],
  ["requirements", { cpu: 0 }],
  ["requirements", { cpu: 1, memoryBytes: 1, storageBytes: 0, image: "../x", leaseMs: 1 }],
  ["requirements", { cpu: 1, memoryBytes: 1, storageBytes: 0, image: "x", leaseMs: 0 }],
  ["dryRun", "no"],
  ["state", "alive"],
  ["requestedAtMs", "now"],
  ["deadlineMs", null],
  ["readyAtMs", 1.5],
  ["lifeEndsAtMs", null],
  ["endReason", "boredom"],
  ["endDetail", 7],
];

Deno.test("parseHostRow() refuses a row in which one field is not as it was written", () => {
  const row = toHostRow(readyVm(), { now: at(10_000), unixMs: NOON });
  for (const [field, value] of BAD) {
    deepStrictEqual(parseHostRow({ ...row, [field]: value }), { ok: false, reason: "bad-row" });
    const rest: Record<string, unknown> = { ...row };
    delete rest[field];
    deepStrictEqual(parseHostRow(rest), { ok: false, reason: "bad-row" }, `without ${field}`);
  }
});

Deno.test("parseHostRow() never throws", () => {
  const row = toHostRow(readyVm(), { now: at(10_000), unixMs: NOON });
  fc.assert(fc.property(fc.anything(), (json) => strictEqual(parseHostRow(json).ok, false)));
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(row)), fc.jsonValue(), (field, value) => {
      parseHostRow({ ...row, [field]: value });
    }),
  );
});
