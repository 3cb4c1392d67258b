/**
 * What sizes and times a VM may have. The provider checks what a renter asks for before anything is
 * reserved; what the provider itself lends is for the market to decide.
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";

/** The size of a VM. */
export interface VmSize {
  /** Virtual CPUs. */
  readonly cpu: number;
  readonly memoryBytes: number;
  /** Size of the disk at `/data`; 0: none. */
  readonly storageBytes: number;
}

/** How long a VM may live. */
export interface VmLease {
  /** After this much time without a sign of life of its owner, it is reclaimed. */
  readonly leaseMs: number;
  /** And after this much time in any case. */
  readonly lifeMs: number;
}

/** Why a VM cannot have the size or lease that was asked for. */
export type VmLimitReason = "bad-cpu" | "bad-memory" | "bad-storage" | "bad-lease" | "bad-life";

const MIB = 2 ** 20;

/** The image `micro` boots in 100 MiB (measured); in 128 it has 50 for programs and files. */
export const MEMORY_MIB_MIN = 128;
/** 1 TiB: a guess, beyond it nothing was tried. */
export const MEMORY_MIB_MAX = 2 ** 20;
/** A guess: QEMU's microvm takes 288, hosts that lend more than this are not expected. */
export const CPU_MAX = 64;
/** An ext4 file system with its tables and room for files. */
export const STORAGE_BYTES_MIN = 16 * MIB;
/** 16 TiB: ext4's limit with 4 KiB blocks and 32-bit block numbers. */
export const STORAGE_BYTES_MAX = 2 ** 44;
/** Source: the command line's contract. */
export const LEASE_MS_MIN = 30_000;
/** The whole life of a VM unless its provider says otherwise: 24 h. Source: the contract. */
export const LIFE_MS_DEFAULT = 86_400_000;
/** A year: a guess, so that sums of times stay far from any limit. */
export const LIFE_MS_MAX = 365 * 86_400_000;

/** Checks a size. Numbers that are not whole are refused like those out of range. */
export function checkVmSize(size: VmSize): Result<VmSize, VmLimitReason> {
  if (!isWithin(size.cpu, 1, CPU_MAX)) return fail("bad-cpu");
  if (!isWithin(size.memoryBytes, MEMORY_MIB_MIN * MIB, MEMORY_MIB_MAX * MIB)) {
    return fail("bad-memory");
  }
  const hasDisk = size.storageBytes !== 0;
  if (hasDisk && !isWithin(size.storageBytes, STORAGE_BYTES_MIN, STORAGE_BYTES_MAX)) {
    return fail("bad-storage");
  }
  return ok(size);
}

/** Checks a lease: at least 30 s, and no longer than the life. */
export function checkVmLease(lease: VmLease): Result<VmLease, VmLimitReason> {
  if (!isWithin(lease.lifeMs, LEASE_MS_MIN, LIFE_MS_MAX)) return fail("bad-life");
  if (!isWithin(lease.leaseMs, LEASE_MS_MIN, lease.lifeMs)) return fail("bad-lease");
  return ok(lease);
}

/** One sentence that tells a person which sizes and times there are. */
export function vmLimitSentence(reason: VmLimitReason): string {
  switch (reason) {
    case "bad-cpu":
      return `a VM has 1 to ${CPU_MAX} CPUs`;
    case "bad-memory":
      return `a VM has at least ${MEMORY_MIB_MIN}M of memory and at most 1T`;
    case "bad-storage":
      return "a VM's storage is 16M to 16T, or none";
    case "bad-lease":
      return "a lease is at least 30s and not longer than the VM's life";
    case "bad-life":
      return "a VM's life is 30s to 365d";
  }
}

/** Whole MiB of memory for a VM, rounded up. */
export function memoryMib(memoryBytes: number): number {
  return Math.ceil(memoryBytes / MIB);
}

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}
