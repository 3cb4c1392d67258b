/**
 * A VM in its provider's book: what is known of it, its deadline, and why it ended.
 *
 * @module
 */
import { after, type Instant, type PeerKey, unreachable, type VmId } from "../base/mod.ts";
import type { OwnersEndReason } from "./rental.ts";
import type { Requirements } from "./requirements.ts";
import type { VmEvent, VmState } from "./vm_state.ts";

/** Every reason for which a VM ends, as its provider knows it. */
export const END_REASONS = [
  "reservation", // not created within 10 s
  "lease", // no sign of life of its owner
  "life", // the longest life that the provider gives
  "released", // by its owner
  "evicted", // by the provider's owner
  "oom", // it took more memory than it may
  "disk", // the provider's disk is full, or fails
  "guest-exit", // the guest powered itself off
  "failed", // QEMU or the helper died, or it could not be started
  "lost", // after a restart nothing of it was found
] as const;

/** Why a VM ended. */
export type EndReason = (typeof END_REASONS)[number];

/** Whether `value` is a reason: for what comes from a database or a peer. */
export function isEndReason(value: unknown): value is EndReason {
  return END_REASONS.some((reason) => reason === value);
}

/** Why a VM ended, as its owner is told: that its time was over, not which time. */
export function ownersEndReason(reason: EndReason | null): OwnersEndReason | null {
  switch (reason) {
    case "reservation":
    case "lease":
    case "life":
      return "expired";
    default:
      return reason;
  }
}

/** A VM in the book. A snapshot: the book replaces it, never changes it. */
export interface HostVm {
  readonly id: VmId;
  /** Network and node: a VM belongs to a member of one network, nobody else. */
  readonly owner: PeerKey;
  /** The owner's word for this request: repeating it gives the same VM until that has ended. */
  readonly key: string | null;
  /** As granted: the lease is cut to the policy's longest. */
  readonly requirements: Requirements;
  /** The protocol without a machine. */
  readonly dryRun: boolean;
  readonly state: VmState;
  readonly requestedAt: Instant;
  readonly readyAt: Instant | null;
  /** End of the reservation, then of the lease. */
  readonly deadline: Instant;
  /** `null` until the VM is created. */
  readonly lifeEndsAt: Instant | null;
  /** Set as soon as the end is decided, while `releasing`. */
  readonly endReason: EndReason | null;
  /** One sentence about the end, for people; may be a peer's or a program's words. */
  readonly endDetail: string | null;
}

/** What a VM's helper says about it. */
export interface HelpersWord {
  readonly leaseLeftMs: number;
  readonly lifeLeftMs: number;
  readonly ready: boolean;
}

/** min(end of life, max(deadline, now + lease)). Source: the design's lease rule. */
export function leaseDeadline(
  now: Instant,
  leaseMs: number,
  deadline: Instant,
  lifeEndsAt: Instant,
): Instant {
  return Math.min(lifeEndsAt, Math.max(deadline, after(now, leaseMs))) as Instant;
}

/** Whether a VM in `state` has a lease that signs of life renew. */
export function isLeased(state: VmState): boolean {
  return state === "creating" || state === "booting" || state === "ready";
}

/** Why a VM ends whose deadline is over. */
export function expiryReason(vm: HostVm): "reservation" | "lease" | "life" {
  if (vm.lifeEndsAt === null) return "reservation";
  return vm.deadline >= vm.lifeEndsAt ? "life" : "lease";
}

/**
 * What the end of its machine is to a VM: a guest that powers off before it was ready has failed to
 * start, later it is an end like others.
 */
export function endingEvent(vm: HostVm, reason: EndReason): VmEvent {
  switch (reason) {
    case "failed":
    case "oom":
    case "disk":
      return "failed";
    case "lost":
      return "lost";
    case "guest-exit":
      return vm.state === "ready" ? "ended" : "failed";
    case "reservation":
    case "lease":
    case "life":
    case "released":
    case "evicted":
      return "ended";
    default:
      return unreachable(reason);
  }
}
