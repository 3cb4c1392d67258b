/**
 * A simulated provider: the real book of VMs behind the real calls, over machines that outlive its node.
 *
 * ```text
 *   vm.reserve, .create, .status, .renew, .release ─▶ HostBook ─▶ Machines
 *   Machines ─ ready, ended ─▶ HostBook ─▶ vm.event to the owner
 *   crash: the book is lost; rows and machines stay ─▶ restart: rows, then each helper's word
 * ```
 *
 * Left out: images, disks, tunnels, and that a deadline reaches helper and disk with a delay.
 *
 * @module
 */
import type { PeerKey, VmId } from "../base/mod.ts";
import {
  type EndReason,
  fromHostRow,
  HostBook,
  type HostRow,
  type HostVm,
  isEnded,
  ownersEndReason,
  parseHostRow,
  type Policy,
  toHostRow,
} from "../market/mod.ts";
import type { Answer, Question, Refusal, VmStateMessage } from "../node/mod.ts";
import { HostCalls } from "./calls.ts";
import type { Host } from "./host.ts";
import { Machines } from "./machines.ts";
import type { World } from "./world.ts";

/** A provider on a host. */
export class Provider {
  readonly machines: Machines;
  book: HostBook;
  readonly #calls: HostCalls;
  /** The disk: rows as text, as they are written. */
  readonly #rows = new Map<VmId, string>();

  constructor(world: World, readonly host: Host, readonly policy: Policy) {
    this.machines = new Machines(world);
    this.#calls = new HostCalls(host);
    this.book = new HostBook(policy, host.random);
    this.#serve();
    host.whenBegun(() => this.#begin());
  }

  /** The node is gone; its machines are not. */
  crash(): void {
    this.machines.attach(null);
    this.host.crash();
  }

  #begin(): void {
    const clock = this.#clock();
    const rows = [...this.#rows.values()].flatMap((text) => {
      const row = parseHostRow(JSON.parse(text));
      return row.ok ? [fromHostRow(row.value, this.policy, clock)] : [];
    });
    this.book = new HostBook(this.policy, this.host.random, rows);
    this.machines.attach({
      ready: (id) => this.#ready(id),
      ended: (id, reason) => this.#ended(id, reason),
    });
    for (const vm of this.book.living()) this.#adopt(vm);
    this.#arm();
  }

  /** What of a machine is left after a restart. */
  #adopt(vm: HostVm): void {
    if (vm.state === "reserved") return;
    const word = this.machines.word(vm.id);
    const adopted = word && this.book.adopt(vm.id, word, this.host.now);
    if (adopted === undefined) return this.#ended(vm.id, "lost");
    this.#changed(adopted);
    if (adopted.state === "releasing") this.machines.stop(vm.id, adopted.endReason ?? "released");
  }

  #serve(): void {
    this.#calls.serve("vm.reserve", (from, question) => this.#reserve(from, question));
    this.#calls.serve("vm.create", (from, question) => this.#create(from, question));
    this.#calls.serve("vm.status", (from, { vms }) => this.#states(from, vms));
    this.#calls.serve("vm.renew", (from, { vms }) => this.#states(from, vms));
    this.#calls.serve("vm.release", (from, { vm }) => this.#release(from, vm as VmId));
  }

  #reserve(owner: PeerKey, question: Question<"vm.reserve">) {
    const { key, dryRun, ...requirements } = question;
    const reservation = this.book.reserve({ owner, key, requirements, dryRun }, this.host.now);
    if (reservation.type === "refused") return refused(reservation.refusal);
    const vm = reservation.type === "existing" ? this.#touch(reservation.vm) : reservation.vm;
    this.#changed(vm);
    const lifeMs = vm.lifeEndsAt === null ? this.policy.lifeMsMax : vm.lifeEndsAt - this.host.now;
    return answered<"vm.reserve">({
      vm: vm.id,
      existing: reservation.type === "existing",
      state: this.#message(vm),
      accelerator: "tcg",
      isolation: "emulated",
      confinement: "full",
      imageDigest: null,
      leaseMs: vm.requirements.leaseMs,
      lifeMs: Math.max(0, Math.round(lifeMs)),
      dryRun,
    });
  }

  #create(owner: PeerKey, question: Question<"vm.create">) {
    const created = this.book.create(owner, question.vm as VmId, this.host.now);
    if (!created.ok) return refused({ code: created.reason, message: "No such VM" });
    const { vm, first } = created.value;
    this.#changed(vm);
    if (first) {
      const [leaseMs, lifeMs] = [vm.deadline, vm.lifeEndsAt ?? vm.deadline].map((at) => {
        return at - this.host.now;
      });
      this.machines.launch(vm.id, owner, { leaseMs: leaseMs ?? 0, lifeMs: lifeMs ?? 0 });
      if (this.book.launched(vm.id)) this.#tell(vm.id);
    }
    const key = new Uint8Array(32);
    return answered<"vm.create">({ tunnel: 1, wireguardKey: key, sshHostKey: key, user: "root" });
  }

  #states(owner: PeerKey, ids: readonly string[]) {
    const own = ids.flatMap((id) => {
      const vm = this.book.get(id as VmId);
      return vm?.owner === owner ? [this.#message(this.#touch(vm))] : [];
    });
    return answered<"vm.status">({ vms: own });
  }

  #release(owner: PeerKey, id: VmId) {
    const released = this.book.release(owner, id);
    if (!released.ok) return refused({ code: released.reason, message: "No such VM" });
    this.#changed(released.value);
    this.machines.stop(id, "released");
    return answered<"vm.release">(this.#message(released.value));
  }

  #touch(vm: HostVm): HostVm {
    const touched = this.book.touch(vm.owner, vm.id, this.host.now);
    if (!touched.ok) return vm;
    this.machines.renew(vm.id, touched.value.deadline - this.host.now);
    this.#changed(touched.value);
    return touched.value;
  }

  #ready(id: VmId): void {
    if (this.book.ready(id, this.host.now)) this.#tell(id);
  }

  #ended(id: VmId, reason: EndReason): void {
    if (this.book.ended(id, reason) !== undefined) this.#tell(id);
  }

  #expire(): void {
    for (const { vm, stop } of this.book.expire(this.host.now)) {
      this.#changed(vm);
      if (stop) this.machines.stop(vm.id, vm.endReason ?? "lease");
    }
  }

  /** Writes a VM down, and looks again when the next deadline is due. */
  #changed(vm: HostVm): void {
    const row: HostRow = toHostRow(vm, this.#clock());
    this.#rows.set(vm.id, JSON.stringify(row));
    this.#arm();
  }

  #tell(id: VmId): void {
    const vm = this.book.get(id);
    if (vm === undefined) return;
    this.#changed(vm);
    this.#calls.ask(vm.owner, { name: "vm.event", question: this.#message(vm) }, () => {});
  }

  #arm(): void {
    const due = this.book.wakeup();
    if (due !== undefined) this.host.later(Math.max(0, due.at - this.host.now), () => this.#look());
  }

  #look(): void {
    const due = this.book.wakeup();
    if (due !== undefined && due.at <= this.host.now) {
      this.#expire();
      this.#arm();
    }
  }

  #message(vm: HostVm): VmStateMessage {
    const { id, state, deadline, lifeEndsAt, endReason } = vm;
    const left = (at: number) =>
      isEnded(state) ? null : Math.max(0, Math.round(at - this.host.now));
    return {
      vm: id,
      state: state === "requested" ? "reserved" : state,
      leaseLeftMs: left(deadline),
      lifeLeftMs: lifeEndsAt === null ? null : left(lifeEndsAt),
      bootMs: null,
      reason: endReason,
      endReason: ownersEndReason(endReason),
    };
  }

  #clock() {
    return { now: this.host.now, unixMs: this.host.wallMs };
  }
}

function refused({ code, message, retryMs }: Refusal) {
  const refusal = retryMs === undefined ? { code, message } : { code, message, retryMs };
  return { ok: false, refusal } as const;
}

function answered<N extends "vm.reserve" | "vm.create" | "vm.status" | "vm.release">(
  answer: Answer<N>,
) {
  return { ok: true, answer } as const;
}
