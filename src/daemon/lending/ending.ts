/**
 * The end of lent machines: a VM has ended when nothing of it runs any more, and not before. What cannot be
 * ended is stuck: it keeps its room, and is tried again.
 *
 * ```text
 *  its machine says so, stop ──▶ nothing of it runs? ──yes──▶ ended in the book, its owner told, swept
 *                                     │ no: killed; still not ──▶ stuck
 * ```
 *
 * @module
 */
import type { VmId } from "../../base/mod.ts";
import { STUCK } from "../../host/vm/vm_runner.ts";
import { type EndReason, type HostVm, isEnded } from "../../market/mod.ts";
import { closeGuestTunnel } from "./guest_tunnels.ts";
import type { Hosted } from "./hosted.ts";
import type { Ledger } from "./ledger.ts";
import type { LendingPorts } from "./ports.ts";
import { runnerOf, type Runners } from "./runners.ts";

/** How long the end of a machine is waited for before the owner is answered. Guess. */
const STOP_WAIT_MS = 10_000;

/** Why a machine ended. */
export interface End {
  readonly reason: EndReason;
  /** One sentence for people; may be a program's words. */
  readonly detail: string | null;
}

/** On what ending stands. */
export interface EndingParts {
  readonly ports: LendingPorts;
  readonly ledger: Ledger;
  readonly runners: Runners;
  /** Something is stuck: it is to be tried again. */
  onStuck(): void;
}

/** Ends the machines of a provider. */
export class Ending {
  readonly #ports: LendingPorts;
  readonly #ledger: Ledger;
  readonly #parts: Pick<EndingParts, "runners" | "onStuck">;
  #hasLetGo = false;

  constructor({ ports, ledger, ...parts }: EndingParts) {
    this.#ports = ports;
    this.#ledger = ledger;
    this.#parts = parts;
  }

  /** Whether this node ends: its machines are the next one's. */
  get hasLetGo(): boolean {
    return this.#hasLetGo;
  }

  /** Lets go of all machines without ending them. */
  letGo(): void {
    this.#hasLetGo = true;
    for (const { running, gone } of this.#ledger.hosted.values()) {
      running?.detach();
      gone.resolve();
    }
  }

  /** The machine said that it ended. Why it came to nothing here goes before what it says. */
  ended(id: VmId, end: End): void {
    const hosted = this.#ledger.hosted.get(id);
    if (hosted === undefined || this.#hasLetGo) return;
    const first = hosted.end ?? end;
    this.#ports.tasks.background(`end VM ${id}`, () => this.#end(id, hosted, first));
  }

  /** The VM came to nothing: what still runs of it is stopped, or killed. */
  async giveUp(vm: HostVm, hosted: Hosted, end: End): Promise<void> {
    hosted.end = end;
    await hosted.running?.stop().catch(() => {}); // what then still runs is killed
    await this.#end(vm.id, hosted, end);
  }

  /** Something of it may run that nobody can reach: its room stays taken, and it is tried again. */
  stuck(vm: HostVm, hosted: Hosted, why: string): void {
    if (hosted.stuck === null) this.#ports.log.warn(`a VM is stuck: ${why}`, { vm: vm.id });
    hosted.stuck = why;
    this.#parts.onStuck();
  }

  /** Ends the machine of a VM that is releasing; resolves with the VM as it is then. */
  async stop(vm: HostVm): Promise<HostVm> {
    const hosted = this.#ledger.hosted.get(vm.id);
    this.#ledger.changed(vm);
    if (vm.state === "releasing" && hosted !== undefined) await this.#stopMachine(vm, hosted);
    if (isEnded(vm.state)) this.#ledger.tell(vm.id);
    return this.#ledger.book.get(vm.id) ?? vm;
  }

  /** Ends the machines that no row knows: their requests never got an answer. */
  async endStrays(): Promise<void> {
    const { real } = this.#parts.runners;
    const known = new Set(this.#ledger.book.living().map((vm) => vm.id));
    const strays = real?.found().filter((id) => !known.has(id)) ?? [];
    await Promise.all(strays.map((id) => this.#endStray(id)));
  }

  async #stopMachine(vm: HostVm, hosted: Hosted): Promise<void> {
    // Still being started or taken up: who does that ends it.
    if (hosted.running === null && hosted.stuck === null) return;
    await hosted.running?.stop().catch((error) => {
      const fields = { vm: vm.id, error: `${error}` };
      this.#ports.log.warn("a VM's helper did not stop it", fields);
    });
    this.ended(vm.id, { reason: vm.endReason ?? "released", detail: null });
    const late = Promise.withResolvers<void>();
    const cancel = this.#ports.timers.after(STOP_WAIT_MS, late.resolve);
    await Promise.race([hosted.gone.promise, late.promise]);
    cancel();
  }

  /** It ends as soon as nothing of it runs, if need be by force. */
  async #end(id: VmId, hosted: Hosted, end: End): Promise<void> {
    const vm = this.#ledger.book.get(id);
    if (vm === undefined || isEnded(vm.state) || hosted.isEnding) return;
    const runner = runnerOf(this.#parts.runners, vm);
    hosted.isEnding = true;
    try {
      const isGone = await runner.isGone(id) || await runner.kill(id);
      if (this.#hasLetGo) return;
      if (!isGone) return this.stuck(vm, hosted, "its helper runs on, and cannot be killed");
      this.#gone(vm, hosted, end);
      await runner.sweep(id);
    } finally {
      hosted.isEnding = false;
      if (hosted.stuck === null) hosted.gone.resolve();
    }
  }

  /** Nothing of it runs. */
  #gone(vm: HostVm, hosted: Hosted, { reason, detail }: End): void {
    const ended = this.#ledger.book.ended(vm.id, reason, detail);
    const why = ended?.endReason ?? reason;
    const say = why === "failed" || why === "lost" ? "warn" : "info";
    const by = this.#ports.views.nameOf(vm.owner);
    this.#ports.log[say]("a VM ended", { vm: vm.id, by, reason: why, detail });
    hosted.running = null;
    hosted.stuck = null;
    this.#ledger.tell(vm.id);
    this.#ledger.renewals.forget(vm.id);
    closeGuestTunnel(this.#ports, vm, hosted);
  }

  async #endStray(id: VmId): Promise<void> {
    const runner = runnerOf(this.#parts.runners, { dryRun: false });
    const found = await runner.adopt(id, () => {}).catch(() => null);
    if (found !== null && found !== STUCK) await found.stop().catch(() => {});
    const isGone = await runner.isGone(id) || await runner.kill(id);
    if (isGone) await runner.sweep(id);
    const what = isGone ? "ended a VM that nobody knows" : "a VM that nobody knows cannot be ended";
    this.#ports.log.warn(what, { vm: id });
  }
}
