/**
 * Runs VMs without machines: a dry run answers the whole protocol and boots nothing. What it starts is
 * ready at once, lives in this process alone, and keeps to the contract of all runners.
 *
 * @module
 */
import { OmertaError, type VmId } from "../../base/mod.ts";
import { monotonicNow } from "../system.ts";
import type { RunningVm, STUCK, VmFigures, VmHappening, VmRunner, VmStart } from "./vm_runner.ts";

type Happens = (happening: VmHappening) => void;

/** A VM of which nothing runs. Times in milliseconds of the monotonic clock. */
interface DryVm {
  leaseEndsAt: number;
  readonly lifeEndsAt: number;
  isAlive: boolean;
  /** Told of its end; nobody after it was let go. */
  happens: Happens;
}

/** Runs dry. Holds what was started until it is swept. */
export class DryRunner implements VmRunner {
  readonly accelerator = null;
  readonly confinement = null;
  readonly #vms = new Map<VmId, DryVm>();

  start({ id, requirements, lifeMs }: VmStart, happens: Happens): Promise<RunningVm> {
    if (this.#vms.has(id)) {
      return Promise.reject(new OmertaError("exists", `The VM ${id} is there already`));
    }
    const now = monotonicNow();
    const lifeEndsAt = now + lifeMs;
    const leaseEndsAt = Math.min(lifeEndsAt, now + requirements.leaseMs);
    const vm = { leaseEndsAt, lifeEndsAt, isAlive: true, happens };
    this.#vms.set(id, vm);
    queueMicrotask(() => vm.happens({ type: "ready", bootMs: 0 }));
    return Promise.resolve(runningVm(vm));
  }

  adopt(id: VmId, happens: Happens): Promise<RunningVm | null | typeof STUCK> {
    const vm = this.#vms.get(id);
    if (vm === undefined || !vm.isAlive) return Promise.resolve(null);
    vm.happens = happens;
    return Promise.resolve(runningVm(vm));
  }

  pidOf(): Promise<null> {
    return Promise.resolve(null);
  }

  isGone(id: VmId): Promise<boolean> {
    return Promise.resolve(this.#vms.get(id)?.isAlive !== true);
  }

  kill(id: VmId): Promise<boolean> {
    const vm = this.#vms.get(id);
    if (vm !== undefined) end(vm, { reason: "failed", detail: "it was killed" });
    return Promise.resolve(true);
  }

  sweep(id: VmId): Promise<void> {
    if (this.#vms.get(id)?.isAlive === true) {
      return Promise.reject(new OmertaError("vm-failed", `The VM ${id} still runs`));
    }
    this.#vms.delete(id);
    return Promise.resolve();
  }

  found(): VmId[] {
    return [...this.#vms.keys()];
  }
}

function end(vm: DryVm, how: Omit<Extract<VmHappening, { type: "ended" }>, "type">): void {
  if (!vm.isAlive) return;
  vm.isAlive = false;
  vm.happens({ type: "ended", ...how });
}

function runningVm(vm: DryVm): RunningVm {
  return {
    control: null,
    figures: () => vm.isAlive ? Promise.resolve(figuresOf(vm)) : Promise.reject(gone()),
    residentBytes: () => 0,
    renew(leaseMs) {
      if (!vm.isAlive) return Promise.reject(gone());
      const wanted = Math.max(vm.leaseEndsAt, monotonicNow() + leaseMs);
      vm.leaseEndsAt = Math.min(vm.lifeEndsAt, wanted);
      return Promise.resolve();
    },
    stop: () => Promise.resolve(end(vm, { reason: "released", detail: null })),
    detach: () => void (vm.happens = () => {}),
  };
}

function figuresOf({ leaseEndsAt, lifeEndsAt }: DryVm): VmFigures {
  const now = monotonicNow();
  return {
    pid: null,
    bootMs: 0,
    leaseLeftMs: leaseEndsAt - now,
    lifeLeftMs: lifeEndsAt - now,
    ready: true,
    droppedFrames: null,
    confinement: null,
  };
}

function gone(): OmertaError {
  return new OmertaError("not-found", "The VM is gone");
}
