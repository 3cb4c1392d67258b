import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import {
  checkVmSize,
  memoryMib,
  type VmSize,
  type VmSizeReason,
  vmSizeSentence,
} from "../../src/base/mod.ts";

const MIB = 2 ** 20;
const SIZE: VmSize = { cpu: 1, memoryBytes: 512 * MIB, storageBytes: 0 };

const SIZES: readonly [Partial<VmSize>, VmSizeReason | undefined][] = [
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

Deno.test("checkVmSize() knows the limits of every field", () => {
  for (const [change, reason] of SIZES) {
    const value = { ...SIZE, ...change };
    const expected = reason === undefined ? { ok: true, value } : { ok: false, reason };
    deepStrictEqual(checkVmSize(value), expected);
  }
});

Deno.test("checkVmSize() carries a size unchanged, and nothing else", () => {
  const asked = { ...SIZE, memoryBytes: 300 * MIB + 1, image: "micro" };
  deepStrictEqual(checkVmSize(asked), { ok: true, value: { ...SIZE, memoryBytes: 300 * MIB + 1 } });
});

Deno.test("vmSizeSentence() has a sentence for every reason", () => {
  for (const [, reason] of SIZES) {
    if (reason !== undefined) match(vmSizeSentence(reason), /^a VM.{10,}[^.]$/);
  }
});

Deno.test("memoryMib() gives a guest no more than is counted for it", () => {
  strictEqual(memoryMib({ memoryBytes: 128 * MIB }), 128);
  strictEqual(memoryMib({ memoryBytes: 129 * MIB - 1 }), 128);
});
