/**
 * What a renter asks for. Only what any VM can be is checked here; what a provider lends is known to
 * its policy.
 *
 * @module
 */
import {
  checkVmSize,
  fail,
  ok,
  type Result,
  VM_TIME_RANGE_MS,
  type VmSize,
  type VmSizeReason,
  vmSizeSentence,
} from "../base/mod.ts";

/** The size of a VM, what it boots, and the time for which it is wanted. */
export interface Requirements extends VmSize {
  /** An image's name, or its SHA-256 in hex; at the renter that with `sha256:` before it. */
  readonly image: string;
  /** How long the VM outlives its owner's last sign of life, at least 30 s. */
  readonly leaseMs: number;
}

/** What stands between a guest and its provider: the processor, or QEMU's emulation of one. */
export type Isolation = "hardware" | "emulated";

/** How well a provider confines QEMU, weakest first; see `ffi/vm/README.md`. */
export const CONFINEMENTS = ["basic", "landlock", "namespaces", "full"] as const;
/** How well a provider confines QEMU. */
export type Confinement = (typeof CONFINEMENTS)[number];

/** The walls around a guest, as its provider tells them; `null`: it does not. */
export interface Walls {
  readonly isolation: Isolation | null;
  readonly confinement: Confinement | null;
}

/** Which walls a renter insists on; `null`: whatever there is. */
export interface WallsWanted {
  readonly isolation: Isolation | null;
  readonly minConfinement: Confinement | null;
}

/**
 * Whether the walls are as good as wanted; `undefined` where too little is told to say. Hardware is
 * better than emulation.
 */
export function suffices(walls: Walls, wanted: WallsWanted): boolean | undefined {
  const isolated = wanted.isolation === null || wanted.isolation === "emulated" || told(
    walls.isolation,
    (isolation) => isolation === "hardware",
  );
  const { minConfinement } = wanted;
  const confined = minConfinement === null || told(
    walls.confinement,
    (level) => CONFINEMENTS.indexOf(level) >= CONFINEMENTS.indexOf(minConfinement),
  );
  if (isolated === false || confined === false) return false;
  return isolated === undefined || confined === undefined ? undefined : true;
}

function told<T>(value: T | null, judge: (value: T) => boolean): boolean | undefined {
  return value === null ? undefined : judge(value);
}

/** The digest of an image that is asked for by it: `sha256:` and 64 hex digits; else `null`. */
export function imageDigestOf(image: string): string | null {
  return /^sha256:([0-9a-f]{64})$/.exec(image)?.[1] ?? null;
}

/** Names of images and their hashes: nothing that could leave a directory or end a line. */
const IMAGE = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Why requirements have no sense. */
export type RequirementReason = VmSizeReason | "bad-image" | "bad-lease";

/** The requirements themselves, or why they have no sense. */
export function checkRequirements(wanted: Requirements): Result<Requirements, RequirementReason> {
  const size = checkVmSize(wanted);
  if (!size.ok) return size;
  if (!IMAGE.test(wanted.image)) return fail("bad-image");
  const { leaseMs } = wanted;
  return Number.isSafeInteger(leaseMs) && leaseMs >= VM_TIME_RANGE_MS.min
    ? ok(wanted)
    : fail("bad-lease");
}

/** One sentence about requirements that have no sense. */
export function requirementSentence(reason: RequirementReason): string {
  switch (reason) {
    case "bad-image":
      return "an image's name has 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit";
    case "bad-lease":
      return "a lease lasts at least 30s";
    default:
      return vmSizeSentence(reason);
  }
}

/** Whether `text` may be a request key: 1 to 64 printable ASCII characters without spaces. */
export function isRequestKey(text: string): boolean {
  return /^[\x21-\x7e]{1,64}$/.test(text);
}
