/**
 * A lent VM beside its place in the book, and how it is told to its owner.
 *
 * @module
 */
import {
  type ErrorCode,
  formatDuration,
  formatSize,
  type Instant,
  OmertaError,
} from "../../base/mod.ts";
import type { EndReason, HelpersWord, HostVm, Refusal } from "../../market/mod.ts";
import type { Answer, VmStateMessage } from "../../node/mod.ts";
import { type GuestKind, MICRO, NO_SEED } from "../../vm/mod.ts";
import { withoutPaths } from "../outward.ts";
import type { RunningVm, VmRunner } from "../../host/vm/vm_runner.ts";

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

/** What of it is in its row's `spec`. */
export interface HostedSpec {
  /** Rows of older builds name no user: there was but one kind of guests. */
  readonly created: Omit<Created, "user"> & Partial<Pick<Created, "user">> | null;
  readonly imageDigest: string | null;
}

/** A VM of which nothing runs yet. */
export function newHosted({ created, imageDigest }: HostedSpec): Hosted {
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
export async function takeUpDryRun(runner: VmRunner, vm: HostVm): Promise<RunningVm> {
  const lifeMs = 86_400_000;
  const { id, requirements } = vm;
  return await runner.start({ id, requirements, lifeMs, seed: NO_SEED }, () => {});
}

/** What stands between a guest and its provider: the processor, or QEMU's emulation of one. */
export function isolationOf(accelerator: "kvm" | "tcg" | null): "hardware" | "emulated" | null {
  if (accelerator === null) return null;
  return accelerator === "kvm" ? "hardware" : "emulated";
}

/** What `vm.create` answers. */
export function createdAnswer(created: Created | null): Answer<"vm.create"> {
  if (created === null) throw new OmertaError("internal", "A created VM has no keys");
  return {
    tunnel: created.localTunnel,
    wireguardKey: Uint8Array.fromHex(created.wireguardKey),
    sshHostKey: Uint8Array.fromHex(created.sshHostKey),
    user: created.user,
  };
}

/** A dry run is served by a provider that runs dry, and by it nothing else. */
export function requireSameDryness(asked: boolean, isDry: boolean): void {
  if (asked === isDry) return;
  throw new OmertaError(
    "refused",
    isDry
      ? "The provider runs dry: it answers requests with --dry-run only"
      : "The provider serves no dry runs: only one that was started with --dry-run does",
  );
}

/** What the market refuses, as an error. */
export function refusalError({ code, message, retryMs }: Refusal): OmertaError {
  const fields = retryMs === undefined ? {} : { retryMs };
  return new OmertaError(code, sentence(message), { fields });
}

/** A rented VM in a few words, for the log. */
export function rentedWords({ requirements, dryRun }: HostVm): string {
  const { cpu, memoryBytes, storageBytes, leaseMs } = requirements;
  const disk = storageBytes === 0 ? "" : `, ${formatSize(storageBytes)} disk`;
  return `${cpu} CPU, ${formatSize(memoryBytes)}${disk}, lease ${formatDuration(leaseMs)}${
    dryRun ? ", dry" : ""
  }`;
}

/** Why an owner's call is not served, as an error. */
export function callError(
  reason: "not-found" | "not-owner" | "lease-ended",
  vm: string,
): OmertaError {
  const messages: Record<typeof reason, string> = {
    "not-found": `The provider knows no VM ${vm}`,
    "not-owner": `The VM ${vm} belongs to somebody else`,
    "lease-ended": `The VM ${vm} has ended`,
  };
  const code: ErrorCode = reason;
  return new OmertaError(code, messages[reason]);
}

/** Why a VM ended, for its owner. */
export function endSentence(vm: HostVm): string {
  const sentences: Record<NonNullable<HostVm["endReason"]>, string> = {
    "reservation": "the reservation was not used in time",
    "lease": "its lease ended: no sign of life of its owner",
    "life": "the longest life that the provider gives was over",
    "released": "it was released",
    "evicted": "the provider's owner took it back",
    "oom": "it took more memory than it may",
    "disk": "the provider's disk is full, or fails",
    "guest-exit": "it powered itself off, or rebooted",
    "failed": "it could not be run",
    "lost": "nothing of it was left after the provider's restart",
  };
  const why = sentences[vm.endReason ?? "failed"];
  if (vm.endDetail === null) return why;
  return `${why}: ${withoutPaths(vm.endDetail)}`.slice(0, 500).toWellFormed();
}

/** Why a VM ended, as its owner is told; `null` while no end is decided. */
export function ownersEndReason({ endReason }: HostVm): VmStateMessage["endReason"] {
  switch (endReason) {
    case "reservation":
    case "lease":
    case "life":
      return "expired";
    default:
      return endReason;
  }
}

/** Whole milliseconds, never negative. */
export function roundOrNull(value: number | null): number | null {
  return value === null ? null : Math.max(0, Math.round(value));
}

/** A reason of the market begins in lower case; a message to a person does not. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
