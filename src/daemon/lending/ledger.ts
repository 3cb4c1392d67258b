/**
 * The lent VMs of a provider, whole: the book, what is beside it, the rows on the disk, and what owners are
 * told. A change goes through the book, then to the disk, then to the owner, in this order.
 *
 * ```text
 *   book.create, launched, ready, ended … ──▶ record: the row ──▶ tell: vm.event to the owner
 * ```
 *
 * @module
 */
import type { VmId } from "../../base/mod.ts";
import { attempt } from "../../host/attempt.ts";
import { HostBook, type HostVm, isEnded, type Policy } from "../../market/mod.ts";
import type { VmStateMessage } from "../../node/mod.ts";
import { vmMessage } from "./answers.ts";
import type { Hosted } from "./hosted.ts";
import type { LendingPorts } from "./ports.ts";
import { Renewals } from "./renewals.ts";
import { loadRows, writeRow } from "./rows.ts";

/** The lent VMs of a provider. */
export class Ledger {
  readonly book: HostBook;
  /** What is beside the book; bounded as that is, by `forget`. */
  readonly hosted = new Map<VmId, Hosted>();
  readonly renewals = new Renewals();
  readonly #ports: LendingPorts;
  readonly #onChange: () => void;

  /**
   * Reads the rows of before a restart.
   *
   * @param onChange The book is another one: its deadlines, and what a record tells of it.
   */
  constructor(ports: LendingPorts, policy: Policy, onChange: () => void) {
    this.#ports = ports;
    this.#onChange = onChange;
    this.book = new HostBook(policy, ports.random, loadRows(ports, policy, this.hosted));
  }

  /** Writes the VM's row. @throws {OmertaError} `disk-full`: then nothing is begun. */
  record(vm: HostVm): void {
    this.#write(vm);
    this.#onChange();
  }

  /** Writes the VM's row where it can be written: what happened has happened. */
  changed(vm: HostVm): void {
    attempt(this.#ports.log, `remember VM ${vm.id}`, () => this.#write(vm));
    this.#onChange();
  }

  /** Writes many rows at once where they can be written: their deadlines moved. */
  deadlinesMoved(vms: readonly HostVm[]): void {
    const { log, rows } = this.#ports;
    attempt(log, "remember leases", () => {
      rows.together(() => vms.forEach((vm) => this.#write(vm)));
    });
  }

  /** Writes the VM's row, and tells the owner how it stands. */
  tell(id: VmId): void {
    const vm = this.book.get(id);
    if (vm === undefined || !this.hosted.has(id)) return;
    this.changed(vm);
    const { calls, log, views } = this.#ports;
    if (!views.isConnected(vm.owner)) return; // it asks when it is there again
    const told = calls.call(vm.owner, "vm.event", this.message(vm));
    told.catch((error) => log.debug("an owner was not told", { error: `${error}` }));
  }

  /** What the VM's owner is told of it. */
  message(vm: HostVm): VmStateMessage {
    return vmMessage(vm, this.hosted.get(vm.id), this.#ports.clock.now());
  }

  /** Forgets what the book has forgotten. */
  forget(id: VmId): void {
    this.hosted.delete(id);
    this.renewals.forget(id);
  }

  #write(vm: HostVm): void {
    const hosted = this.hosted.get(vm.id);
    if (hosted === undefined) return;
    writeRow(this.#ports, vm, hosted);
    if (!isEnded(vm.state)) this.renewals.told(vm);
  }
}
