/**
 * The leases of lent VMs: a sign of life moves the deadline in the book at once, and follows to helper and
 * disk when `renewals.ts` says so. A helper that does not take it is looked for anew.
 *
 * @module
 */
import { after, OmertaError, type PeerKey, type VmId } from "../../base/mod.ts";
import { type HostVm, isEnded } from "../../market/mod.ts";
import type { Hosted } from "./hosted.ts";
import type { Ledger } from "./ledger.ts";
import type { LendingPorts } from "./ports.ts";
import { callError } from "./refusals.ts";

/** A renewal that finds another one under way comes again. Guess. */
const RENEW_AGAIN_MS = 1_000;

/** On what leases stand. */
export interface LeasesParts {
  readonly ports: LendingPorts;
  readonly ledger: Ledger;
  /** A deadline is to be told later. */
  onNoted(): void;
  /** A helper does not answer. */
  onStuck(vm: HostVm, hosted: Hosted, why: string): void;
}

/** The leases of a provider's VMs. */
export class Leases {
  readonly #parts: LeasesParts;

  constructor(parts: LeasesParts) {
    this.#parts = parts;
  }

  /** A sign of life of the VM's owner. */
  touch(vm: HostVm): HostVm {
    const { ledger, ports } = this.#parts;
    const touched = ledger.book.touch(vm.owner, vm.id, ports.clock.now());
    if (!touched.ok) return vm;
    this.#note(touched.value);
    return touched.value;
  }

  /** The owner asks for more time. @throws {OmertaError} `not-found`, `not-owner`, `lease-ended`. */
  extend(owner: PeerKey, id: VmId, leaseMs: number): HostVm {
    const { ledger, ports } = this.#parts;
    const extended = ledger.book.extend(owner, id, leaseMs, ports.clock.now());
    if (!extended.ok) throw callError(extended.reason, id);
    this.#note(extended.value);
    this.flush();
    return extended.value;
  }

  /** Tells helpers and disk the deadlines that are due: all in one write. */
  flush(): void {
    const { ledger, ports } = this.#parts;
    const now = ports.clock.now();
    const due = ledger.renewals.take(now).flatMap((id) => {
      const vm = ledger.book.get(id);
      if (vm === undefined || isEnded(vm.state)) return [];
      if (!ledger.hosted.get(id)?.isRenewing) return [vm];
      ledger.renewals.defer(id, after(now, RENEW_AGAIN_MS)); // the one under way is older
      return [];
    });
    if (due.length === 0) return;
    ledger.deadlinesMoved(due);
    for (const vm of due) this.#renew(vm);
  }

  #note({ id, deadline, requirements: { leaseMs } }: HostVm): void {
    const { ledger, ports, onNoted } = this.#parts;
    ledger.renewals.note({ id, deadline, leaseMs }, ports.clock.now());
    onNoted();
  }

  #renew(vm: HostVm): void {
    const { ledger, ports } = this.#parts;
    const hosted = ledger.hosted.get(vm.id);
    ledger.renewals.told(vm); // also where the row could not be written: its helper learns it
    if (hosted === undefined || hosted.running === null) return;
    const { running } = hosted;
    hosted.isRenewing = true;
    ports.tasks.background(`renew VM ${vm.id}`, async () => {
      try {
        await running.renew(vm.deadline - ports.clock.now());
      } catch (error) {
        this.#deaf(vm, hosted, error);
      } finally {
        hosted.isRenewing = false;
      }
    });
  }

  /** A helper that hears no renewal would end the VM in spite of its owner: it is looked for anew. */
  #deaf(vm: HostVm, hosted: Hosted, error: unknown): void {
    if (!(error instanceof OmertaError) || error.code !== "vm-failed") throw error;
    if (hosted.isEnding || hosted.running === null) return;
    hosted.running.detach();
    hosted.running = null;
    this.#parts.onStuck(vm, hosted, "its helper does not answer");
  }
}
