/**
 * Who gets room: `vm.reserve`. The grant, the policy, the machine's own room and the image are looked at, in
 * this order, so that nobody has work done here who gets nothing.
 *
 * @module
 */
import type { HostVm, MachineRoom } from "../../market/mod.ts";
import { charged } from "../../market/mod.ts";
import type { Answer, Question } from "../../node/mod.ts";
import type { Caller } from "../ports.ts";
import { isolationOf } from "./answers.ts";
import { type Hosted, newHosted } from "./hosted.ts";
import type { Leases } from "./leases.ts";
import type { Ledger } from "./ledger.ts";
import type { Ground, LendingPorts } from "./ports.ts";
import { runnerOf, type Runners } from "./runners.ts";
import { refusalError, requireGrant, requireSameDryness } from "./refusals.ts";

/** On what admission stands. */
export interface AdmissionParts {
  readonly ports: LendingPorts;
  readonly ledger: Ledger;
  readonly leases: Leases;
  readonly runners: Runners;
  readonly ground: Ground;
}

/** Decides on requests for VMs. */
export class Admission {
  readonly #parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** What the machine has left; `undefined`: a dry run takes nothing of it. */
  room(): MachineRoom | undefined {
    const { ground, runners } = this.#parts;
    return runners.real === null ? undefined : ground.roomLeft(this.#untouched());
  }

  /**
   * Answers `vm.reserve`.
   *
   * @throws {OmertaError} `not-allowed`, `refused`, `bad-size`, `provider-full`; `image-missing`,
   * `image-corrupt`; `disk-full`.
   */
  async reserve(caller: Caller, question: Question<"vm.reserve">): Promise<Answer<"vm.reserve">> {
    const { leases, ledger, ports, runners } = this.#parts;
    requireGrant(ports, caller);
    const { key, dryRun, ...requirements } = question;
    requireSameDryness(dryRun, runners.real === null);
    const request = { owner: caller.peer, key, requirements, dryRun };
    const reservation = ledger.book.reserve(request, ports.clock.now(), this.room());
    if (reservation.type === "refused") throw refusalError(reservation.refusal);
    const { vm } = reservation;
    if (reservation.type === "reserved") {
      const hosted = newHosted({ created: null, imageDigest: null });
      ledger.hosted.set(vm.id, hosted);
      hosted.promised = this.#promise(vm, hosted);
    } else leases.touch(vm);
    await ledger.hosted.get(vm.id)?.promised;
    return this.#answer(ledger.book.get(vm.id) ?? vm, reservation.type === "existing");
  }

  /**
   * Writes the reservation down, and hashes the image: work that nobody gets done to whom the book
   * lends nothing. Where either fails, nothing is set aside.
   */
  async #promise(vm: HostVm, hosted: Hosted): Promise<void> {
    const { ground, ledger } = this.#parts;
    try {
      ledger.record(vm);
      if (vm.dryRun) return;
      const { digest, guest } = await ground.checkImage(vm.requirements.image);
      hosted.imageDigest = digest;
      hosted.guest = guest;
    } catch (error) {
      const released = ledger.book.release(vm.owner, vm.id);
      if (released.ok) ledger.changed(released.value);
      throw error;
    }
  }

  #answer(vm: HostVm, existing: boolean): Answer<"vm.reserve"> {
    const { ledger, ports, runners } = this.#parts;
    const { accelerator, confinement } = runnerOf(runners, vm);
    const { lifeMsMax } = ledger.book.policy;
    const lifeMs = vm.lifeEndsAt === null ? lifeMsMax : vm.lifeEndsAt - ports.clock.now();
    return {
      vm: vm.id,
      existing,
      state: ledger.message(vm),
      accelerator,
      isolation: isolationOf(accelerator),
      confinement,
      imageDigest: ledger.hosted.get(vm.id)?.imageDigest ?? null,
      leaseMs: vm.requirements.leaseMs,
      lifeMs: Math.max(0, Math.round(lifeMs)),
      dryRun: vm.dryRun,
    };
  }

  /** What VMs may still take of what was promised to them: of memory what was never touched. */
  #untouched(): MachineRoom {
    const { book, hosted } = this.#parts.ledger;
    return book.living().reduce((sum, { id, state, requirements }) => {
      const resident = hosted.get(id)?.running?.residentBytes() ?? 0;
      const memoryBytes = charged(book.policy, requirements) - resident;
      const hasDisk = state !== "reserved" && state !== "creating"; // allocated as a whole
      return {
        memoryBytes: sum.memoryBytes + Math.max(0, memoryBytes),
        storageBytes: sum.storageBytes + (hasDisk ? 0 : requirements.storageBytes),
      };
    }, { memoryBytes: 0, storageBytes: 0 });
  }
}
