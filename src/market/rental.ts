/**
 * A rented VM as its renter keeps it, and what its provider may say of it.
 *
 * @module
 */
import { type NetworkId, type NodeId, type PeerKey, peerKey, type VmId } from "../base/mod.ts";
import type { Confinement, Isolation, Requirements } from "./requirements.ts";
import { isEnded, type VmPhase, type VmState } from "./vm_state.ts";

/** VMs that one call to a provider may name. */
export const VMS_PER_CALL_MAX = 64;

/** Every word by which a VM's owner is told why it ended. */
export const OWNERS_END_REASONS = [
  "released",
  "expired",
  "evicted",
  "oom",
  "guest-exit",
  "failed",
  "lost",
  "disk",
] as const;

/** Why a VM ended, as its owner knows it. */
export type OwnersEndReason = (typeof OWNERS_END_REASONS)[number];

/** How many milliseconds each step took; `null`: it was not done, or not measured. */
export type RequestTimings = Readonly<Record<VmPhase, number | null>>;

/** What the provider answered to `vm.create`; keys in hex. */
export interface RentalCreated {
  /** The provider's end of the tunnel. */
  readonly tunnel: number;
  readonly wireguardKey: string;
  readonly sshHostKey: string;
  readonly user: string;
}

/** A rented VM. A snapshot: the book replaces it, never changes it. Times are Unix milliseconds. */
export interface Rental {
  readonly id: VmId;
  readonly network: NetworkId;
  readonly provider: NodeId;
  /** The person's word for the request: repeating it gives the same VM until that is to end. */
  readonly key: string | null;
  readonly name: string | null;
  readonly state: VmState;
  /** What was asked for. */
  readonly request: Requirements;
  /** Our WireGuard private key, 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly localTunnel: number;
  readonly created: RentalCreated | null;
  /** Absolute path of the private ssh key whose public part the guest got. */
  readonly identityFile: string;
  readonly accelerator: "kvm" | "tcg" | null;
  readonly isolation: Isolation | null;
  readonly confinement: Confinement | null;
  /** SHA-256 of the image in hex, as the provider told it. */
  readonly imageDigest: string | null;
  /** Lease and life as the provider granted them, whatever was asked for. */
  readonly leaseMs: number;
  readonly lifeMs: number;
  /** Whether the provider was trusted, or had served, when it was asked. */
  readonly providerKnown: boolean;
  readonly dryRun: boolean;
  readonly timings: RequestTimings;
  /** Why it failed or ended. */
  readonly reason: string | null;
  /** The same as one word, as soon as the end is decided. */
  readonly endReason: OwnersEndReason | null;
  readonly requestedAtMs: number;
  readonly readyAtMs: number | null;
  readonly leaseExpiresAtMs: number | null;
  readonly lifeEndsAtMs: number | null;
  readonly checkedAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** What a provider says of one VM. */
export interface ProviderWord {
  readonly vm: string;
  readonly state: Exclude<VmState, "requested">;
  readonly leaseLeftMs: number | null;
  /** `null`: it is not created yet, or has ended. */
  readonly lifeLeftMs: number | null;
  /** How long its guest took to boot, once that is known. */
  readonly bootMs: number | null;
  readonly reason: string | null;
  readonly endReason: OwnersEndReason | null;
}

/** The peer that provides a rental. */
export function providerOf({ network, provider }: Pick<Rental, "network" | "provider">): PeerKey {
  return peerKey(network, provider);
}

/** Whether there is a way into it: its keys are known, it has a machine and has not ended. */
export function isReachable({ created, dryRun, state }: Rental): boolean {
  return created !== null && !dryRun && !isEnded(state);
}

/** Rentals by provider, as many as one call may name. */
export function byProvider(rentals: readonly Rental[]): [peer: PeerKey, own: Rental[]][] {
  return [...Map.groupBy(rentals, providerOf)].flatMap(([peer, own]) => {
    const calls = Math.ceil(own.length / VMS_PER_CALL_MAX);
    return Array.from({ length: calls }, (_, i): [PeerKey, Rental[]] => {
      return [peer, own.slice(i * VMS_PER_CALL_MAX, (i + 1) * VMS_PER_CALL_MAX)];
    });
  });
}

/** Living ones first, as they were requested; then those that ended, the newest first. */
export function byLife(a: Rental, b: Rental): number {
  if (a.endedAtMs === null || b.endedAtMs === null) {
    return Number(a.endedAtMs !== null) - Number(b.endedAtMs !== null) ||
      a.requestedAtMs - b.requestedAtMs;
  }
  return b.endedAtMs - a.endedAtMs;
}
