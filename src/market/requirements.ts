/**
 * What a renter asks for. Only its form is checked here; which sizes a VM can have at all is known
 * to the `vm` part, and what a provider lends to its policy.
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";

/** The size of a VM and the time for which it is wanted. */
export interface Requirements {
  /** Virtual CPUs, at least 1. */
  readonly cpu: number;
  /** Memory in bytes, at least 1. */
  readonly memoryBytes: number;
  /** Disk at `/data` in bytes; 0: none. */
  readonly storageBytes: number;
  /** An image's name or its SHA-256 in hex. */
  readonly image: string;
  /** How long the VM outlives its owner's last sign of life, at least 30 s. */
  readonly leaseMs: number;
}

/** The shortest lease that may be asked for. Source: the command line's contract. */
export const LEASE_ASKED_MS_MIN = 30_000;

/** Names of images and their hashes: nothing that could leave a directory or end a line. */
const IMAGE = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Why requirements have no sense. */
export type RequirementReason =
  | "bad-cpu"
  | "bad-memory"
  | "bad-storage"
  | "bad-image"
  | "bad-lease";

/** The requirements themselves, or why they have no sense. */
export function checkRequirements(wanted: Requirements): Result<Requirements, RequirementReason> {
  if (!isWhole(wanted.cpu, 1)) return fail("bad-cpu");
  if (!isWhole(wanted.memoryBytes, 1)) return fail("bad-memory");
  if (!isWhole(wanted.storageBytes, 0)) return fail("bad-storage");
  if (!IMAGE.test(wanted.image)) return fail("bad-image");
  return isWhole(wanted.leaseMs, LEASE_ASKED_MS_MIN) ? ok(wanted) : fail("bad-lease");
}

/** One sentence about requirements that have no sense. */
export function requirementSentence(reason: RequirementReason): string {
  switch (reason) {
    case "bad-cpu":
      return "a VM has a whole number of CPUs, at least 1";
    case "bad-memory":
      return "a VM's memory is a whole number of bytes, at least 1";
    case "bad-storage":
      return "a VM's disk is a whole number of bytes, 0 for none";
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

function isWhole(value: number, min: number): boolean {
  return Number.isSafeInteger(value) && value >= min;
}
