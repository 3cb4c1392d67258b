/**
 * The kinds of guests: who logs in, and in which form a guest is told its keys. An image's manifest names
 * its kind; what is common to all (`GuestSeed`: keys, addresses, host name) stands in `guest_seed.ts`.
 *
 * ```text
 *   kind    user   seed
 *   micro   root   a cpio archive in front of the initramfs, read and wiped by the image's own init
 * ```
 *
 * Another kind, such as a distribution's image that reads a NoCloud volume, is one more line of the table
 * below, and one more form for `host/vm/qemu_runner.ts` to hand over.
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";
import { type GuestSeed, guestSeed } from "./guest_seed.ts";

/** What one guest is told, in the form in which its image reads it. Secrets. */
export interface Seed {
  /** `initramfs`: an uncompressed cpio archive that is put in front of the image's. */
  readonly form: "initramfs";
  readonly bytes: Uint8Array;
}

/** How guests of an image are told who they are. */
export interface GuestKind {
  /** The user as whom its renter logs in. */
  readonly user: string;
  /** The seed of one guest. Throws `RangeError` where a field has not the form that it must have. */
  seed(told: GuestSeed): Seed;
}

/** The image of this project: an init of its own, and root as its only user. */
export const MICRO: GuestKind = {
  user: "root",
  seed: (told) => ({ form: "initramfs", bytes: guestSeed(told) }),
};

/** What is told where nothing boots. */
export const NO_SEED: Seed = { form: "initramfs", bytes: new Uint8Array() };

/** The kind of manifests that name none. */
export const GUEST_DEFAULT = "micro";

const KINDS: Readonly<Record<string, GuestKind>> = { [GUEST_DEFAULT]: MICRO };

/** The kind of that name, as a manifest gives it; a later build may know more. */
export function guestKind(name: string): Result<GuestKind, "unknown-guest"> {
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  return kind === undefined ? fail("unknown-guest") : ok(kind);
}
