/**
 * A lent VM beside its place in the book: what was made for its guest, and what runs of it.
 *
 * @module
 */
import type { Instant } from "../../base/mod.ts";
import type { StoredSpec } from "../../host/store/mod.ts";
import type { RunningVm, VmRunner } from "../../host/vm/vm_runner.ts";
import type { EndReason, HelpersWord, HostVm } from "../../market/mod.ts";
import { type GuestKind, MICRO, NO_SEED } from "../../vm/mod.ts";

/** What a hosted VM has beside its place in the book. */
export interface Hosted {
  /** SHA-256 of its image; `null` in a dry run, or until it is known. */
  imageDigest: string | null;
  /** Of which kind its image's guests are; `null` until that is known. */
  guest: GuestKind | null;
  /** What `vm.create` answered: a repetition gets the same. */
  created: Created | null;
  running: RunningVm | null;
  bootMs: number | null;
  /** The guest was up before the machine's start was told to be over. */
  isUp: boolean;
  /** Why it came to nothing here, while what runs of it is being ended. */
  end: { readonly reason: EndReason; readonly detail: string | null } | null;
  /** Its machine may run, and nobody can reach it: since when, and what was tried, in a sentence. */
  stuck: string | null;
  /** Its end is being found out or brought about; one at a time. */
  isEnding: boolean;
  /** A renewal is on its way to the helper; one at a time. */
  isRenewing: boolean;
  /** Resolves when its image was checked; rejects where it cannot be promised. */
  promised: Promise<void>;
  /** Resolves when the machine is gone, or this node lets go of it. */
  readonly gone: PromiseWithResolvers<void>;
}

/** What `vm.create` answered: keys in hex. */
export interface Created {
  readonly localTunnel: number;
  readonly remoteTunnel: number;
  readonly wireguardKey: string;
  readonly sshHostKey: string;
  /** As whom its renter logs in. */
  readonly user: string;
}

/** A VM of which nothing runs yet; of rows of older builds nobody knows the user: there was but one. */
export function newHosted({ created, imageDigest }: StoredSpec): Hosted {
  const gone = Promise.withResolvers<void>();
  return {
    created: created === null ? null : { user: MICRO.user, ...created },
    imageDigest,
    guest: null,
    running: null,
    bootMs: null,
    isUp: false,
    end: null,
    stuck: null,
    isEnding: false,
    isRenewing: false,
    promised: Promise.resolve(),
    gone,
  };
}

/** What the book says of a VM that has no helper to ask. */
export function ownWord(vm: HostVm, now: Instant): HelpersWord {
  return {
    leaseLeftMs: vm.deadline - now,
    lifeLeftMs: (vm.lifeEndsAt ?? now) - now,
    ready: true,
  };
}

/** A dry run has no machine that could be lost: it goes on as it was. */
export async function takeUpDryRun(
  runner: VmRunner,
  vm: HostVm,
  now: Instant,
): Promise<RunningVm> {
  const { id, requirements } = vm;
  const { lifeLeftMs: lifeMs } = ownWord(vm, now);
  return await runner.start({ id, requirements, lifeMs, seed: NO_SEED }, () => {});
}
