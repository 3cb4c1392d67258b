/**
 * A stand-in for QEMU and its helper: machines that exist as long as the test wants them to, and live
 * on when the node that started them ends.
 *
 * @module
 */
import { OmertaError, type VmId } from "../../../src/base/mod.ts";
import {
  type RunningVm,
  STUCK,
  type VmFigures,
  type VmHappening,
  type VmRunner,
  type VmStart,
} from "../../../src/host/vm/vm_runner.ts";

/** A machine of which something is on the disk. */
export interface Machine {
  readonly start: VmStart;
  isAlive: boolean;
  isReady: boolean;
  leaseLeftMs: number;
  lifeLeftMs: number;
  residentBytes: number;
  readonly renewals: number[];
  happens: (happening: VmHappening) => void;
  /** How often a node let go of it. */
  detached: number;
}

/** Runs machines in memory. */
export class FakeRunner implements VmRunner {
  readonly accelerator = "tcg";
  readonly confinement = "full";
  readonly machines = new Map<VmId, Machine>();
  readonly swept: VmId[] = [];
  /** What `start` waits for. */
  starting: Promise<void> = Promise.resolve();
  /** What `stop` waits for. */
  stopping: Promise<void> = Promise.resolve();
  /** Called in the middle of a start, when the machine runs and the node does not know yet. */
  whileStarting: (machine: Machine) => void = () => {};
  /** What `renew` waits for. */
  renewing: Promise<void> = Promise.resolve();
  /** What `figures` waits for. */
  figuring: Promise<void> = Promise.resolve();
  /** What `adopt` waits for, by VM. */
  readonly adopting = new Map<VmId, Promise<void>>();
  /** Renewals are not answered. */
  isDeaf = false;
  /** Machines that do not answer. */
  readonly stuck = new Set<VmId>();
  /** Nothing ends by force. */
  isUndead = false;
  /** What each of these fails with. */
  fails: { start?: Error; adopt?: Error; figures?: Error; stop?: Error } = {};

  /** The only machine. */
  get only(): Machine {
    const [machine, ...more] = this.machines.values();
    if (machine === undefined || more.length > 0) throw new Error("not one machine");
    return machine;
  }

  async start(vm: VmStart, happens: Machine["happens"]): Promise<RunningVm> {
    if (this.machines.has(vm.id)) throw new Error(`${vm.id} is there already`);
    if (this.fails.start) throw this.fails.start;
    const machine: Machine = {
      start: vm,
      isAlive: true,
      isReady: false,
      leaseLeftMs: vm.requirements.leaseMs,
      lifeLeftMs: vm.lifeMs,
      residentBytes: 0,
      renewals: [],
      happens,
      detached: 0,
    };
    this.machines.set(vm.id, machine);
    this.whileStarting(machine);
    await this.starting;
    return this.#running(machine);
  }

  async adopt(id: VmId, happens: Machine["happens"]): Promise<RunningVm | null | typeof STUCK> {
    await this.adopting.get(id);
    if (this.fails.adopt) throw this.fails.adopt;
    if (this.stuck.has(id)) return STUCK;
    const machine = this.machines.get(id);
    if (machine === undefined || !machine.isAlive) return null;
    machine.happens = happens;
    return this.#running(machine);
  }

  pidOf(id: VmId): Promise<number | null> {
    return Promise.resolve(this.machines.get(id)?.isAlive ? 4_242 : null);
  }

  isGone(id: VmId): Promise<boolean> {
    return Promise.resolve(!this.machines.get(id)?.isAlive);
  }

  kill(id: VmId): Promise<boolean> {
    const machine = this.machines.get(id);
    if (machine?.isAlive && !this.isUndead) {
      this.end(machine, { reason: "failed", detail: "it was killed" });
    }
    return this.isGone(id);
  }

  sweep(id: VmId): Promise<void> {
    if (this.machines.get(id)?.isAlive) return Promise.reject(new Error("swept while it lives"));
    this.machines.delete(id);
    this.swept.push(id);
    return Promise.resolve();
  }

  found(): VmId[] {
    return [...this.machines.keys()];
  }

  /** The machine ends by itself. */
  end(machine: Machine, happening: Omit<VmHappening & { type: "ended" }, "type">): void {
    machine.isAlive = false;
    machine.happens({ type: "ended", ...happening });
  }

  #running(machine: Machine): RunningVm {
    return {
      control: `/vms/${machine.start.id}/ctl.sock`,
      figures: async () => {
        await this.figuring;
        if (this.fails.figures) throw this.fails.figures;
        if (!machine.isAlive) throw new OmertaError("not-found", "it is gone");
        return figuresOf(machine);
      },
      residentBytes: () => machine.residentBytes,
      renew: async (leaseMs) => {
        if (!machine.isAlive) throw new OmertaError("not-found", "it is gone");
        if (this.isDeaf) throw new OmertaError("vm-failed", "it did not answer");
        machine.renewals.push(leaseMs);
        const most = Math.max(machine.leaseLeftMs, leaseMs);
        machine.leaseLeftMs = Math.min(machine.lifeLeftMs, most);
        await this.renewing;
      },
      stop: async () => {
        if (this.fails.stop) throw this.fails.stop;
        await this.stopping;
        if (machine.isAlive) this.end(machine, { reason: "released", detail: null });
      },
      detach: () => {
        machine.detached++;
        machine.happens = () => {};
      },
    };
  }
}

function figuresOf(machine: Machine): VmFigures {
  return {
    pid: 4_242,
    bootMs: machine.isReady ? 700 : null,
    leaseLeftMs: machine.leaseLeftMs,
    lifeLeftMs: machine.lifeLeftMs,
    ready: machine.isReady,
    droppedFrames: 0,
    confinement: { level: "full", missing: [] },
  };
}
