/**
 * `provider.*`: what this node lends, and taking it back.
 *
 * ```text
 * provider.evict {"vms":["ab3d"],"all":false}
 *   → {"evicted":["ab3dqt5zk2m7w6xy"],"failed":[]}
 * ```
 *
 * @module
 */
import * as v from "valibot";
import type { VmState } from "../../market/mod.ts";
import type { ErrorDoc } from "../error_doc.ts";
import { type Input, type Method, type Nothing, vmNames } from "./common.ts";

/** Input of `provider.evict`. */
export const PROVIDER_EVICT = v.strictObject({
  /** Ids or prefixes; empty with `all`. */
  vms: vmNames,
  /** Every VM that lives. */
  all: v.boolean(),
});

/** Sizes that a provider lends, or that are used. */
export interface ProviderRoom {
  /** Virtual processors. */
  readonly cpu: number;
  readonly memory_bytes: number;
  /** `null`: no limit but the disk's. */
  readonly storage_bytes: number | null;
  readonly vms: number;
}

/** What one owner gets at most, and what is counted for each VM. */
export interface ProviderLimits {
  /** VMs of one owner at once. */
  readonly per_owner: number;
  readonly max_lease_ms: number;
  /** From the creation, however often the lease is renewed. */
  readonly max_life_ms: number;
  /** Node ids that may rent; `null`: every member with the grant `rent`. */
  readonly allow: readonly string[] | null;
  /** Memory that each VM takes beside its guest's; `capacity` and `used` hold it. */
  readonly overhead_bytes: number;
}

/** A VM as its provider sees it. */
export interface ProviderVmDoc {
  /** 16 characters. */
  readonly id: string;
  /** The owner's node id. */
  readonly owner: string;
  readonly state: VmState;
  /** Virtual processors. */
  readonly cpu: number;
  readonly memory_bytes: number;
  /** When it ends unless its owner renews the lease. */
  readonly lease_expires_at: string | null;
  /** The helper's. */
  readonly pid: number | null;
  /** Why nobody can reach its machine, which may run and keeps its room; `null`: all is well. */
  readonly stuck: string | null;
  /** Frames of the guest that its filter dropped. */
  readonly dropped_frames: number | null;
}

/** Result of `provider.status`. */
export interface ProviderStatusResult {
  /** Whether there is room for one VM more. */
  readonly accepting: boolean;
  /** Whether it answers without a machine: dry runs only. */
  readonly dry_run: boolean;
  readonly capacity: ProviderRoom;
  readonly used: ProviderRoom;
  readonly limits: ProviderLimits;
  readonly accelerator: {
    /** `kvm`: hardware; `tcg`: emulation. */
    readonly kind: "kvm" | "tcg" | null;
    readonly probed_at: string | null;
    /** Why it is that one. */
    readonly reason: string | null;
    /** What a person can do for a better one. */
    readonly remedy: string | null;
  };
  /** How well QEMU is confined here, and what is missing for more. */
  readonly confinement: { readonly level: string | null; readonly missing: readonly string[] };
  readonly vms: readonly ProviderVmDoc[];
}

/** Result of `provider.evict`. */
export interface ProviderEvictResult {
  /** Ids of the VMs that are gone. */
  readonly evicted: readonly string[];
  /** Those that are not, by the name that was given, and why. */
  readonly failed: readonly { readonly id: string; readonly error: ErrorDoc }[];
}

/** The methods of the noun. Errors of each: `no-node` where this node is no provider. */
export interface ProviderMethods {
  /** What is lent, to whom, and how. */
  "provider.status": Method<Nothing, ProviderStatusResult>;
  /** Ends VMs of others: some may fail, and the rest is gone all the same. */
  "provider.evict": Method<Input<typeof PROVIDER_EVICT>, ProviderEvictResult>;
}
