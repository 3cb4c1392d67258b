/**
 * What a provider needs of whatever runs its VMs. Two things do: the helper with QEMU
 * (`qemu_runner.ts`), and the dry run (`dry_runner.ts`). What each must keep to is written down as tests:
 * `tests/host/vm/vm_runner_contract_test.ts`.
 *
 * @module
 */
import type { VmId } from "../../base/mod.ts";
import type { Confinement, EndReason, Requirements } from "../../market/mod.ts";
import type { Seed } from "../../vm/mod.ts";

/** What to start. */
export interface VmStart {
  readonly id: VmId;
  readonly requirements: Requirements;
  readonly lifeMs: number;
  readonly seed: Seed;
}

/** What happens to a machine. */
export type VmHappening =
  | { readonly type: "ready"; readonly bootMs: number | null }
  | { readonly type: "ended"; readonly reason: EndReason; readonly detail: string | null };

/** Something may run that nobody can reach: it still takes its room. */
export const STUCK = "stuck";

/** What is known of a running machine. */
export interface VmFigures {
  readonly pid: number | null;
  readonly bootMs: number | null;
  readonly leaseLeftMs: number;
  readonly lifeLeftMs: number;
  readonly ready: boolean;
  readonly droppedFrames: number | null;
  readonly confinement: { readonly level: string; readonly missing: readonly string[] } | null;
}

/** A machine that runs. */
export interface RunningVm {
  /** The helper's control socket, through which the guest's datagrams come; `null`: none. */
  readonly control: string | null;
  figures(): Promise<VmFigures>;
  /** The memory that it has taken by now; 0 where that is not known. */
  residentBytes(): number;
  /** The owner gave a sign of life: the deadline moves to now + `leaseMs` at least. */
  renew(leaseMs: number): Promise<void>;
  /** Ends it; resolves when it is gone. */
  stop(): Promise<void>;
  /** Lets go of it without ending it: the node ends, the VM lives on. */
  detach(): void;
}

/** Runs VMs. */
export interface VmRunner {
  readonly accelerator: "kvm" | "tcg" | null;
  /** How well QEMU is confined here; `null` in a dry run. */
  readonly confinement: Confinement | null;
  /** Starts a machine; `happens` is told what becomes of it. */
  start(vm: VmStart, happens: (happening: VmHappening) => void): Promise<RunningVm>;
  /**
   * Finds the machine of before a restart, within seconds; `null` where nothing of it runs, and
   * `STUCK` where something does that does not answer.
   */
  adopt(
    id: VmId,
    happens: (happening: VmHappening) => void,
  ): Promise<RunningVm | null | typeof STUCK>;
  /** The helper's process; `null` where none is known. */
  pidOf(id: VmId): Promise<number | null>;
  /** Whether nothing of a machine runs any more; what is about to end gets a moment for it. */
  isGone(id: VmId): Promise<boolean>;
  /** Ends by force what does not answer. Returns whether nothing of it runs any more. */
  kill(id: VmId): Promise<boolean>;
  /** Removes what is left of a machine that is gone. */
  sweep(id: VmId): Promise<void>;
  /** The ids of all machines of which something is on the disk. */
  found(): VmId[];
}
