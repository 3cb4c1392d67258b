/**
 * The size of a VM, and for how long it is lent: one type from the command line through the call to the
 * helper, checked at every edge by the same ranges and carried unchanged.
 *
 * @module
 */
import { fail, ok, type Result } from "./result.ts";

/** The size of a VM; what it is asked for with is what it is counted with. */
export interface VmSize {
  /** Virtual CPUs, whole. */
  readonly cpu: number;
  /** Bytes, whole. The guest gets the whole MiB of them. */
  readonly memoryBytes: number;
  /** Bytes of the disk at `/data`, whole; 0: none. */
  readonly storageBytes: number;
}

const MIB = 2 ** 20;

/** What a VM can have at all, whoever lends it; `storageBytes` may also be 0. */
export const VM_SIZE_RANGES = {
  /** Most: a guess. QEMU's microvm takes 288, hosts that lend more than this are not expected. */
  cpu: { min: 1, max: 64 },
  /**
   * Least: the image `micro` boots in 100 MiB (measured); in 128 it has 50 for programs and files. Most:
   * 1 TiB, a guess; beyond it nothing was tried.
   */
  memoryBytes: { min: 128 * MIB, max: 2 ** 40 },
  /**
   * Least: an ext4 file system with its tables and room for files. Most: 16 TiB, ext4's limit with
   * blocks of 4 KiB and 32-bit block numbers.
   */
  storageBytes: { min: 16 * MIB, max: 2 ** 44 },
} as const;

/**
 * How long a lease or a life may be, in milliseconds. Least: the command line's contract. Most: a year, a
 * guess, so that sums of times stay far from any limit.
 */
export const VM_TIME_RANGE_MS = { min: 30_000, max: 365 * 86_400_000 } as const;

/** Why a VM cannot have a size. */
export type VmSizeReason = "bad-cpu" | "bad-memory" | "bad-storage";

/** The size, without what else `size` may hold; or which part of it no VM can have. */
export function checkVmSize(
  { cpu, memoryBytes, storageBytes }: VmSize,
): Result<VmSize, VmSizeReason> {
  if (!isWithin(cpu, VM_SIZE_RANGES.cpu)) return fail("bad-cpu");
  if (!isWithin(memoryBytes, VM_SIZE_RANGES.memoryBytes)) return fail("bad-memory");
  if (storageBytes !== 0 && !isWithin(storageBytes, VM_SIZE_RANGES.storageBytes)) {
    return fail("bad-storage");
  }
  return ok({ cpu, memoryBytes, storageBytes });
}

/** What a VM can have instead, as a part of a sentence. */
export function vmSizeSentence(reason: VmSizeReason): string {
  switch (reason) {
    case "bad-cpu":
      return `a VM has 1 to ${VM_SIZE_RANGES.cpu.max} CPUs`;
    case "bad-memory":
      return "a VM has at least 128M of memory and at most 1T";
    case "bad-storage":
      return "a VM's storage is 16M to 16T, or none";
  }
}

/** The memory that the guest gets, in whole MiB: never more than is counted for it. */
export function memoryMib({ memoryBytes }: Pick<VmSize, "memoryBytes">): number {
  return Math.floor(memoryBytes / MIB);
}

function isWithin(value: number, { min, max }: { readonly min: number; readonly max: number }) {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}
