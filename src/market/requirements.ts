/**
 * What a renter asks for, and the limits within which asking makes sense anywhere. A provider's own
 * limits are its policy.
 *
 * @module
 */
import { fail, formatSize, ok, type Result } from "../base/mod.ts";

/** The size of a VM and the time for which it is wanted. */
export interface Requirements {
  /** Virtual CPUs, 1 to 64. */
  readonly cpu: number;
  /** Memory in bytes, a multiple of 1 MiB. */
  readonly memoryBytes: number;
  /** Disk at `/data` in bytes, a multiple of 1 MiB; 0: none. */
  readonly storageBytes: number;
  /** An image's name or its SHA-256 in hex. */
  readonly image: string;
  /** How long the VM outlives its owner's last sign of life, at least 30 s. */
  readonly leaseMs: number;
}

const MIB = 2 ** 20;

/** Limits of every request, whoever provides. */
export const REQUIREMENT_LIMITS = {
  /** Guess: far above what one host lends to one owner at first, far below QEMU's 288. */
  cpuMax: 64,
  /** Guess: the smallest image unpacks its initramfs in less than this only with luck. */
  memoryBytesMin: 64 * MIB,
  memoryBytesMax: 4 * 2 ** 40,
  /** ext4 with a journal needs some MiB. Guess. */
  storageBytesMin: 16 * MIB,
  storageBytesMax: 16 * 2 ** 40,
  /** Source: the command line's contract. */
  leaseMsMin: 30_000,
} as const;

/** Names of images and their hashes: nothing that could leave a directory or end a line. */
const IMAGE = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Why requirements make no sense anywhere. */
export type RequirementReason =
  | "bad-cpu"
  | "bad-memory"
  | "bad-storage"
  | "bad-image"
  | "bad-lease";

/** The requirements themselves, or why no provider could ever serve them. */
export function checkRequirements(
  wanted: Requirements,
): Result<Requirements, RequirementReason> {
  const limits = REQUIREMENT_LIMITS;
  if (!isWhole(wanted.cpu, 1, limits.cpuMax)) return fail("bad-cpu");
  if (!isWholeMiB(wanted.memoryBytes, limits.memoryBytesMin, limits.memoryBytesMax)) {
    return fail("bad-memory");
  }
  const { storageBytesMin, storageBytesMax } = limits;
  if (
    wanted.storageBytes !== 0 && !isWholeMiB(wanted.storageBytes, storageBytesMin, storageBytesMax)
  ) {
    return fail("bad-storage");
  }
  if (!IMAGE.test(wanted.image)) return fail("bad-image");
  return isWhole(wanted.leaseMs, limits.leaseMsMin, Number.MAX_SAFE_INTEGER)
    ? ok(wanted)
    : fail("bad-lease");
}

/** One sentence about requirements that make no sense. */
export function requirementSentence(reason: RequirementReason): string {
  const limits = REQUIREMENT_LIMITS;
  switch (reason) {
    case "bad-cpu":
      return `a VM has 1 to ${limits.cpuMax} CPUs`;
    case "bad-memory":
      return `a VM has ${formatSize(limits.memoryBytesMin)} to ${
        formatSize(limits.memoryBytesMax)
      } of memory, in whole MiB`;
    case "bad-storage":
      return `a VM's disk has ${formatSize(limits.storageBytesMin)} to ${
        formatSize(limits.storageBytesMax)
      } in whole MiB, or 0 for none`;
    case "bad-image":
      return "an image's name has 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit";
    case "bad-lease":
      return "a lease lasts at least 30s";
  }
}

/** Whether `text` may be a request key: 1 to 64 printable ASCII characters without spaces. */
export function isRequestKey(text: string): boolean {
  return /^[\x21-\x7e]{1,64}$/.test(text);
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}

function isWholeMiB(bytes: number, min: number, max: number): boolean {
  return isWhole(bytes, min, max) && bytes % MIB === 0;
}
