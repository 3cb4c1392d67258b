/**
 * The machines of lent VMs while they live: started, and taken up again after a restart. How they end:
 * `ending.ts`.
 *
 * ```text
 *  launch ──▶ tunnel ──▶ runs ──ended──▶ ending
 *  takeUp ──▶ tunnel ──▶   │
 *     └─no answer, no renewal heard──▶ stuck: keeps its room, taken up again or ended every 5 s
 * ```
 *
 * @module
 */
import { OmertaError, type VmId } from "../../base/mod.ts";
import { type RunningVm, STUCK, type VmHappening } from "../../host/vm/vm_runner.ts";
import { type HostVm, isEnded } from "../../market/mod.ts";
import type { Seed } from "../../vm/mod.ts";
import type { Ending } from "./ending.ts";
import { closeGuestTunnel, openGuestTunnel } from "./guest_tunnels.ts";
import { type Hosted, ownWord, takeUpDryRun } from "./hosted.ts";
import type { Ledger } from "./ledger.ts";
import type { LendingPorts } from "./ports.ts";
import { runnerOf, type Runners } from "./runners.ts";

/** With what the machines are run, and who is told. */
export interface MachinesParts {
  readonly ports: LendingPorts;
  readonly ledger: Ledger;
  readonly runners: Runners;
  readonly ending: Ending;
  /** Its owner gave a sign of life. */
  touch(vm: HostVm): HostVm;
}

/** The machines of a provider. */
export class Machines {
  readonly #ports: LendingPorts;
  readonly #ledger: Ledger;
  readonly #ending: Ending;
  readonly #parts: Pick<MachinesParts, "runners" | "touch">;

  constructor({ ports, ledger, ending, ...parts }: MachinesParts) {
    this.#ports = ports;
    this.#ledger = ledger;
    this.#ending = ending;
    this.#parts = parts;
  }

  /** Starts the machine of a VM that was created; what comes of it is told by the book. */
  async launch(vm: HostVm, hosted: Hosted, seed: Seed): Promise<void> {
    try {
      hosted.running = await this.#start(vm, hosted, seed);
      const isStarting = () =>
        this.#ledger.book.get(vm.id)?.state === "creating" && !this.#ending.hasLetGo;
      const isOpen = isStarting() &&
        await openGuestTunnel(this.#ports, { vm, ...hosted }, isStarting);
      if (this.#ending.hasLetGo) return hosted.running?.detach(); // the next node takes it up
      if (!isOpen) return await this.#endLate(vm, hosted);
      this.#ledger.book.launched(vm.id);
      this.#ledger.tell(vm.id);
      if (hosted.isUp) this.#ready(vm.id);
    } catch (error) {
      if (this.#ending.hasLetGo) return;
      const detail = error instanceof Error ? error.message : String(error);
      this.#ports.log.error("a VM could not be started", { vm: vm.id, detail });
      await this.#ending.giveUp(vm, hosted, { reason: "failed", detail });
    }
  }

  async #start(vm: HostVm, { imageDigest }: Hosted, seed: Seed): Promise<RunningVm> {
    const lifeMs = (vm.lifeEndsAt ?? 0) - this.#ports.clock.now();
    const image = imageDigest ?? vm.requirements.image;
    const start = { id: vm.id, requirements: { ...vm.requirements, image }, lifeMs, seed };
    return await runnerOf(this.#parts.runners, vm).start(start, this.#happens(vm.id));
  }

  /** It was released or its time ended while it started. */
  async #endLate(vm: HostVm, hosted: Hosted): Promise<void> {
    await hosted.running?.stop();
    this.#ending.ended(vm.id, { reason: "released", detail: null });
  }

  /** Something happens to a machine. */
  #happens(id: VmId): (happening: VmHappening) => void {
    return (happening) => {
      const hosted = this.#ledger.hosted.get(id);
      const vm = this.#ledger.book.get(id);
      if (hosted === undefined || vm === undefined || isEnded(vm.state)) return;
      if (this.#ending.hasLetGo) return;
      if (happening.type === "ended") return this.#ending.ended(id, happening);
      hosted.bootMs = happening.bootMs;
      hosted.isUp = true;
      this.#ready(id);
    };
  }

  /** The guest serves; where its start is not told yet, that comes first. */
  #ready(id: VmId): void {
    if (this.#ledger.book.ready(id, this.#ports.clock.now())) this.#ledger.tell(id);
  }

  /** Takes up the machine of before a restart, or one that was stuck. */
  async takeUp(vm: HostVm): Promise<void> {
    const hosted = this.#ledger.hosted.get(vm.id);
    if (hosted === undefined) return;
    try {
      const adopted = await this.#adopt(vm, hosted);
      if (adopted === STUCK) return this.#ending.stuck(vm, hosted, "its helper does not answer");
      if (adopted === null) return;
      const isHeld = () => hosted.running !== null && !this.#ending.hasLetGo;
      if (!await openGuestTunnel(this.#ports, { vm, ...hosted }, isHeld)) return;
      this.#ledger.changed(adopted);
      this.#ports.log.info("took up a VM", { vm: vm.id, state: adopted.state });
      if (adopted.state === "releasing") await this.#ending.stop(adopted);
    } catch (error) {
      if (this.#ending.hasLetGo) return;
      this.#ports.log.warn("a VM is lost", { vm: vm.id, error: String(error) });
      await this.#ending.giveUp(vm, hosted, { reason: "lost", detail: null });
    }
  }

  /** Finds the machine, whose own word about its times counts; `null`: the node ended meanwhile. */
  async #adopt(vm: HostVm, hosted: Hosted): Promise<HostVm | null | typeof STUCK> {
    const found = await this.#find(vm);
    if (found === STUCK) return STUCK;
    if (found === null) throw new OmertaError("not-found", "Nothing of it is left");
    if (this.#ending.hasLetGo) {
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

  async #find(vm: HostVm): Promise<RunningVm | null | typeof STUCK> {
    const { real, dry } = this.#parts.runners;
    if (!vm.dryRun) return await (real ?? dry).adopt(vm.id, this.#happens(vm.id));
    if (real === null) return await takeUpDryRun(dry, vm, this.#ports.clock.now());
    throw new OmertaError("not-found", "It was a dry run, and the provider runs dry no more");
  }
}
