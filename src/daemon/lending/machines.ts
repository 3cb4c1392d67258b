/**
 * The machines of lent VMs: started, taken up after a restart, ended; and what becomes of those that do
 * not answer.
 *
 * ```text
 *  launch ──▶ runs ──ended, stop──▶ nothing of it runs? ──yes──▶ ended in the book, swept
 *  takeUp ──▶   │                        │ no: killed; still not
 *     └─no answer, no renewal heard──▶ stuck: keeps its room, taken up again or ended every 5 s
 * ```
 *
 * @module
 */
import { OmertaError, type VmId } from "../../base/mod.ts";
import { STUCK, type VmHappening, type VmRunner } from "../../host/vm/vm_runner.ts";
import { type HostVm, isEnded } from "../../market/mod.ts";
import type { Seed } from "../../vm/mod.ts";
import { closeGuestTunnel, openGuestTunnel } from "./guest_tunnels.ts";
import { type Hosted, ownWord, takeUpDryRun } from "./hosted.ts";
import type { Ledger } from "./ledger.ts";
import type { LendingPorts, Runners } from "./ports.ts";

/** How long the end of a machine is waited for before the owner is answered. Guess. */
const STOP_WAIT_MS = 10_000;

/** With what the machines are run, and who is told. */
export interface MachinesParts {
  readonly ports: LendingPorts;
  readonly ledger: Ledger;
  readonly runners: Runners;
  /** Its owner gave a sign of life. */
  touch(vm: HostVm): HostVm;
  /** Something is stuck: it is to be tried again. */
  stuck(): void;
}

/** The machines of a provider. */
export class Machines {
  readonly #ports: LendingPorts;
  readonly #ledger: Ledger;
  readonly #runners: Runners;
  readonly #parts: Pick<MachinesParts, "touch" | "stuck">;
  #ending = false;

  constructor({ ports, ledger, runners, ...parts }: MachinesParts) {
    this.#ports = ports;
    this.#ledger = ledger;
    this.#runners = runners;
    this.#parts = parts;
  }

  runnerOf({ dryRun }: HostVm): VmRunner {
    return dryRun ? this.#runners.dry : this.#real;
  }

  /** What of machines is on the disk that no row knows. */
  strays(): VmId[] {
    const known = new Set(this.#ledger.book.living().map((vm) => vm.id));
    return this.#real.found().filter((id) => !known.has(id));
  }

  get #real(): VmRunner {
    return this.#runners.real ?? this.#runners.dry;
  }

  /** Lets go of all machines without ending them. */
  detach(): void {
    this.#ending = true;
    for (const { running, gone } of this.#ledger.hosted.values()) {
      running?.detach();
      gone.resolve();
    }
  }

  /** Starts the machine of a VM that was created; what comes of it is told by the book. */
  async launch(vm: HostVm, hosted: Hosted, seed: Seed): Promise<void> {
    const happens = (happening: VmHappening) => this.happened(vm.id, happening);
    const lifeMs = (vm.lifeEndsAt ?? 0) - this.#ports.clock.now();
    try {
      const image = hosted.imageDigest ?? vm.requirements.image;
      const start = { id: vm.id, requirements: { ...vm.requirements, image }, lifeMs, seed };
      const running = await this.runnerOf(vm).start(start, happens);
      if (this.#ending) return running.detach(); // the next node takes it up
      hosted.running = running;
      const isStarting = () => this.#ledger.book.get(vm.id)?.state === "creating" && !this.#ending;
      const { created } = hosted;
      const isOpen = isStarting() &&
        await openGuestTunnel(this.#ports, { vm, created, running }, isStarting);
      if (this.#ending) return running.detach();
      if (!isOpen) return await this.#endLate(vm, hosted);
      this.#ledger.book.launched(vm.id);
      this.#ledger.tell(vm.id);
      if (hosted.isUp) this.happened(vm.id, { type: "ready", bootMs: hosted.bootMs });
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      hosted.end = { reason: "failed", detail };
      this.#ports.log.error("a VM could not be started", { vm: vm.id, detail });
      await hosted.running?.stop().catch(() => {}); // what then still runs is killed
      this.happened(vm.id, { type: "ended", reason: "failed", detail });
    }
  }

  /** It was released or its time ended while it started. */
  async #endLate(vm: HostVm, hosted: Hosted): Promise<void> {
    await hosted.running?.stop();
    this.happened(vm.id, { type: "ended", reason: "released", detail: null });
  }

  /** Something happened to a machine. */
  happened(id: VmId, happening: VmHappening): void {
    const hosted = this.#ledger.hosted.get(id);
    const vm = this.#ledger.book.get(id);
    if (hosted === undefined || vm === undefined || isEnded(vm.state) || this.#ending) return;
    if (happening.type === "ready") {
      hosted.bootMs = happening.bootMs;
      hosted.isUp = true;
      if (this.#ledger.book.ready(id, this.#ports.clock.now())) this.#ledger.tell(id);
      return;
    }
    const end = hosted.end ?? happening;
    this.#ports.tasks.background(`end VM ${id}`, () => this.#end(id, hosted, end));
  }

  /** The machine said that it ended: so it is as soon as nothing of it runs, if need be by force. */
  async #end(id: VmId, hosted: Hosted, end: NonNullable<Hosted["end"]>): Promise<void> {
    const vm = this.#ledger.book.get(id);
    if (vm === undefined || isEnded(vm.state) || hosted.isEnding) return;
    const runner = this.runnerOf(vm);
    hosted.isEnding = true;
    try {
      const isGone = await runner.isGone(id) || await runner.kill(id);
      if (this.#ending) return;
      if (!isGone) return this.stuck(vm, hosted, "its helper runs on, and cannot be killed");
      this.#ended(vm, hosted, end);
      await runner.sweep(id);
    } finally {
      hosted.isEnding = false;
      if (hosted.stuck === null) hosted.gone.resolve();
    }
  }

  #ended(vm: HostVm, hosted: Hosted, { reason, detail }: NonNullable<Hosted["end"]>): void {
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

  /** Something of it may run that nobody can reach: its room stays taken, and it is tried again. */
  stuck(vm: HostVm, hosted: Hosted, why: string): void {
    if (hosted.stuck === null) this.#ports.log.warn(`a VM is stuck: ${why}`, { vm: vm.id });
    hosted.stuck = why;
    this.#parts.stuck();
  }

  /** Ends the machine of a VM that is releasing; resolves with the VM as it is then. */
  async stop(vm: HostVm): Promise<HostVm> {
    const hosted = this.#ledger.hosted.get(vm.id);
    this.#ledger.changed(vm);
    if (vm.state === "releasing" && hosted !== undefined) {
      await this.#stopMachine(vm, hosted);
    }
    if (isEnded(vm.state)) this.#ledger.tell(vm.id);
    return this.#ledger.book.get(vm.id) ?? vm;
  }

  async #stopMachine(vm: HostVm, hosted: Hosted): Promise<void> {
    // Still being started or taken up: who does that ends it.
    if (hosted.running === null && hosted.stuck === null) return;
    await hosted.running?.stop().catch((error) => {
      this.#ports.log.warn("a VM's helper did not stop it", {
        vm: vm.id,
        error: `${error}`,
      });
    });
    this.happened(vm.id, { type: "ended", reason: vm.endReason ?? "released", detail: null });
    const late = Promise.withResolvers<void>();
    const cancel = this.#ports.timers.after(STOP_WAIT_MS, late.resolve);
    await Promise.race([hosted.gone.promise, late.promise]);
    cancel();
  }

  /** Takes up the machine of before a restart, or one that was stuck. */
  async takeUp(vm: HostVm): Promise<void> {
    const hosted = this.#ledger.hosted.get(vm.id);
    if (hosted === undefined) return;
    try {
      const adopted = await this.#adopt(vm, hosted);
      if (adopted === STUCK) return this.stuck(vm, hosted, "its helper does not answer");
      if (adopted === null) return;
      const isHeld = () => hosted.running !== null && !this.#ending;
      if (!await openGuestTunnel(this.#ports, { vm, ...hosted }, isHeld)) return;
      this.#ledger.changed(adopted);
      this.#ports.log.info("took up a VM", { vm: vm.id, state: adopted.state });
      if (adopted.state === "releasing") await this.stop(adopted);
    } catch (error) {
      this.#ports.log.warn("a VM is lost", { vm: vm.id, error: String(error) });
      const end = { reason: "lost", detail: null } as const;
      hosted.end = end;
      await hosted.running?.stop().catch(() => {}); // what then still runs is killed
      await this.#end(vm.id, hosted, end);
    }
  }

  /** Finds the machine, whose own word about its times counts; `null`: the node ended meanwhile. */
  async #adopt(vm: HostVm, hosted: Hosted): Promise<HostVm | null | typeof STUCK> {
    const found = await this.#find(vm);
    if (found === STUCK) return STUCK;
    if (found === null) throw new OmertaError("not-found", "Nothing of it is left");
    if (this.#ending) {
      found.detach();
      return null;
    }
    if (hosted.stuck !== null) closeGuestTunnel(this.#ports, vm, hosted); // of before it was stuck
    hosted.running = found;
    hosted.stuck = null;
    hosted.end = null;
    const figures = await found.figures();
    const wasTouched = this.#ledger.renewals.isNoted(vm.id);
    const now = this.#ports.clock.now();
    const adopted = this.#ledger.book.adopt(vm.id, vm.dryRun ? ownWord(vm, now) : figures, now);
    if (adopted === undefined) throw new OmertaError("not-found", "It was never created");
    hosted.bootMs = figures.bootMs;
    this.#ledger.renewals.told(adopted);
    return wasTouched ? this.#parts.touch(adopted) : adopted; // its owner came while it was looked for
  }

  async #find(vm: HostVm): ReturnType<VmRunner["adopt"]> {
    if (!vm.dryRun) {
      return await this.#real.adopt(vm.id, (happening) => this.happened(vm.id, happening));
    }
    if (this.#runners.real === null) {
      return await takeUpDryRun(this.#runners.dry, vm, this.#ports.clock.now());
    }
    throw new OmertaError("not-found", "It was a dry run, and the provider runs dry no more");
  }

  /** Ends a machine that no row knows: its request never got an answer. */
  async endStray(id: VmId): Promise<void> {
    const runner = this.#real;
    const found = await runner.adopt(id, () => {}).catch(() => null);
    if (found !== null && found !== STUCK) await found.stop().catch(() => {});
    const isGone = await runner.isGone(id) || await runner.kill(id);
    if (isGone) await runner.sweep(id);
    const what = isGone ? "ended a VM that nobody knows" : "a VM that nobody knows cannot be ended";
    this.#ports.log.warn(what, { vm: id });
  }
}
