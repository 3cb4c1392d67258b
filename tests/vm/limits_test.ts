import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  checkVmLease,
  checkVmSize,
  memoryMib,
  type VmLease,
  type VmLimitReason,
  vmLimitSentence,
  type VmSize,
} from "../../src/vm/mod.ts";

const MIB = 2 ** 20;
const SIZE: VmSize = { cpu: 1, memoryBytes: 512 * MIB, storageBytes: 0 };
const LEASE: VmLease = { leaseMs: 3_600_000, lifeMs: 86_400_000 };

const SIZES: readonly [Partial<VmSize>, VmLimitReason | undefined][] = [
  [{}, undefined],
  [{ cpu: 64, memoryBytes: 128 * MIB, storageBytes: 16 * MIB }, undefined],
  [{ memoryBytes: 2 ** 40, storageBytes: 2 ** 44 }, undefined],
  [{ cpu: 0 }, "bad-cpu"],
  [{ cpu: 65 }, "bad-cpu"],
  [{ cpu: 1.5 }, "bad-cpu"],
  [{ cpu: NaN }, "bad-cpu"],
  [{ memoryBytes: 128 * MIB - 1 }, "bad-memory"],
  [{ memoryBytes: 2 ** 40 + 1 }, "bad-memory"],
  [{ memoryBytes: Infinity }, "bad-memory"],
  [{ storageBytes: 1 }, "bad-storage"],
  [{ storageBytes: -1 }, "bad-storage"],
  [{ storageBytes: 2 ** 44 + 1 }, "bad-storage"],
];

const LEASES: readonly [Partial<VmLease>, VmLimitReason | undefined][] = [
  [{}, undefined],
  [{ leaseMs: 30_000, lifeMs: 30_000 }, undefined],
  [{ leaseMs: 29_999 }, "bad-lease"],
  [{ leaseMs: 60_000, lifeMs: 59_999 }, "bad-lease"],
  [{ lifeMs: 1 }, "bad-life"],
  [{ lifeMs: 1e15 }, "bad-life"],
];

Deno.test("checkVmSize() knows the limits of every field", () => {
  for (const [change, reason] of SIZES) {
    const value = { ...SIZE, ...change };
    deepStrictEqual(
      checkVmSize(value),
      reason === undefined ? { ok: true, value } : { ok: false, reason },
    );
  }
});

Deno.test("checkVmLease() knows the limits of lease and life", () => {
  for (const [change, reason] of LEASES) {
    const value = { ...LEASE, ...change };
    deepStrictEqual(
      checkVmLease(value),
      reason === undefined ? { ok: true, value } : { ok: false, reason },
    );
  }
});

Deno.test("memoryMib() rounds up to whole MiB", () => {
  strictEqual(memoryMib(128 * MIB), 128);
  strictEqual(memoryMib(128 * MIB + 1), 129);
});

Deno.test("vmLimitSentence() has a sentence for every reason", () => {
  for (const [, reason] of [...SIZES, ...LEASES]) {
    if (reason !== undefined) strictEqual(vmLimitSentence(reason).length > 10, true);
  }
});
