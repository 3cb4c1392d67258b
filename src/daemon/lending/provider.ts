/**
 * The provider: answers `vm.*` calls out of the book of VMs, has machines started and stopped as the
 * book says, and after a restart takes up those that live.
 *
 * ```text
 *  vm.reserve ─▶ admission ─▶ vm.create ─▶ starting: keys, row on disk ─▶ machines ─▶ tunnel to the guest
 *                                             │ (answered here)              └─ ready, ended ─▶ ledger:
 *  vm.status, renew, extend ─▶ leases         └─────────────────────────────────────  book, row, vm.event
 * ```
 *
 * A VM's row is on the disk before anything of it is started, so that whatever a crash leaves is
 * found again or swept.
 *
 * @module
 */
import { OmertaError, type VmId } from "../../base/mod.ts";
import type { VmFigures } from "../../host/vm/vm_runner.ts";
import { type HostVm, offerFacts, type Policy, type Used } from "../../market/mod.ts";
import type { Answer, Question } from "../../node/mod.ts";
import type { Caller } from "../ports.ts";
import { Admission } from "./admission.ts";
import { fitted } from "./answers.ts";
import { Ending } from "./ending.ts";
import { Leases } from "./leases.ts";
import { Ledger } from "./ledger.ts";
import { Machines } from "./machines.ts";
import type { Ground, LendingPorts } from "./ports.ts";
import { callError } from "./refusals.ts";
import { runnerOf, type Runners } from "./runners.ts";
import { Starting } from "./starting.ts";
import { Upkeep } from "./upkeep.ts";

/** A VM with what its machine says, for `provider status`. */
export interface HostedView {
  readonly vm: HostVm;
  readonly figures: VmFigures | null;
  /** The helper's, also where it does not answer; `null`: none is known. */
  readonly pid: number | null;
  /** Why nobody can reach its machine, which may run; `null`: nothing is wrong. */
  readonly stuck: string | null;
}

/** With what a provider is made. */
export interface ProviderParts {
  readonly ports: LendingPorts;
  readonly runners: Runners;
  readonly policy: Policy;
  readonly ground: Ground;
  /** Something that the provider's record tells has changed. */
  onChange(): void;
}

/** The running provider. */
export class Provider {
  /** Whether it answers the whole protocol without a machine: then it serves dry runs only. */
  readonly isDry: boolean;
  readonly #parts: ProviderParts;
  readonly #ledger: Ledger;
  readonly #leases: Leases;
  readonly #machines: Machines;
  readonly #ending: Ending;
  readonly #admission: Admission;
  readonly #starting: Starting;
  readonly #upkeep: Upkeep;

  constructor(parts: ProviderParts) {
    const { ground, policy, ports, runners } = parts;
    const ledger = new Ledger(ports, policy, () => this.#noticed());
    const leases = new Leases({
      ports,
      ledger,
      onNoted: () => this.#upkeep.arm(),
      onStuck: (...stuck) => this.#ending.stuck(...stuck),
    });
    const onStuck = () => this.#upkeep.sweepSoon();
    const ending = new Ending({ ports, ledger, runners, onStuck });
    const touch = (vm: HostVm) => leases.touch(vm);
    const machines = new Machines({ ports, ledger, runners, ending, touch });
    this.isDry = runners.real === null;
    this.#parts = parts;
    this.#ledger = ledger;
    this.#leases = leases;
    this.#machines = machines;
    this.#ending = ending;
    this.#admission = new Admission({ ports, ledger, leases, runners, ground });
    this.#starting = new Starting({ ports, ledger, machines, ending });
    this.#upkeep = new Upkeep({ ports, ledger, leases, machines, ending });
    this.#serve();
  }

  get policy(): Policy {
    return this.#ledger.book.policy;
  }

  /** Replaces the policy for what comes: the accelerator became another one. */
  setPolicy(policy: Policy): void {
    this.#ledger.book.setPolicy(policy);
    this.#noticed();
  }

  /** What its record offers. */
  offer(): ReturnType<typeof offerFacts> {
    return offerFacts(this.policy, this.used(), this.#admission.room());
  }

  /** What its living VMs use. */
  used(): Used {
    return this.#ledger.book.used();
  }

  /**
   * Takes up what lives since before the start, all at once, and sweeps what does not. Calls are
   * answered meanwhile: the book knows every VM.
   */
  async start(): Promise<void> {
    this.#upkeep.arm();
    await Promise.all([
      ...this.living().map((vm) => this.#machines.takeUp(vm)),
      this.#ending.endStrays(),
    ]);
  }

  /** VMs that have not ended. */
  living(): readonly HostVm[] {
    return this.#ledger.book.living();
  }

  /** Living VMs with what their machines say. */
  async views(): Promise<HostedView[]> {
    return await Promise.all(
      this.living().map(async (vm) => {
        const { running = null, stuck = null } = this.#ledger.hosted.get(vm.id) ?? {};
        const figures = await running?.figures().catch(() => null) ?? null;
        const pid = figures?.pid ?? await runnerOf(this.#parts.runners, vm).pidOf(vm.id);
        return { vm, figures, pid, stuck };
      }),
    );
  }

  /** The provider's owner takes a VM back. @throws {OmertaError} `not-found`. */
  async evict(id: VmId): Promise<void> {
    const evicted = this.#ledger.book.evict(id);
    if (!evicted.ok) throw new OmertaError("not-found", `No VM ${id} is lent here`);
    await this.#ending.stop(evicted.value);
  }

  /** Lets go of all machines without ending them. */
  detach(): void {
    this.#upkeep.end();
    this.#ending.letGo();
  }

  #serve(): void {
    const { calls } = this.#parts.ports;
    calls.serve("vm.reserve", (caller, question) => this.#admission.reserve(caller, question));
    calls.serve("vm.create", (caller, question) => this.#starting.create(caller, question));
    calls.serve("vm.status", (caller, { vms }) => this.#states(caller, vms));
    calls.serve("vm.renew", (caller, { vms }) => this.#states(caller, vms));
    calls.serve("vm.extend", (caller, question) => this.#extend(caller, question));
    calls.serve("vm.release", (caller, question) => this.#release(caller, question));
  }

  /** To ask for a VM's state is a sign of life of its owner. */
  #states({ peer }: Caller, ids: readonly string[]): Answer<"vm.status"> {
    const own = ids.flatMap((id) => {
      const vm = this.#ledger.book.get(id as VmId);
      return vm !== undefined && vm.owner === peer ? [vm] : [];
    });
    return { vms: fitted(own.map((vm) => this.#ledger.message(this.#leases.touch(vm)))) };
  }

  #extend({ peer }: Caller, { vm, leaseMs }: Question<"vm.extend">): Answer<"vm.extend"> {
    return this.#ledger.message(this.#leases.extend(peer, vm as VmId, leaseMs));
  }

  async #release({ peer }: Caller, { vm }: Question<"vm.release">): Promise<Answer<"vm.release">> {
    const released = this.#ledger.book.release(peer, vm as VmId);
    if (!released.ok) throw callError(released.reason, vm);
    return this.#ledger.message(await this.#ending.stop(released.value));
  }

  /** The book is another one: its deadline, and what the record tells of it. */
  #noticed(): void {
    this.#upkeep.arm();
    this.#parts.onChange();
  }
}
