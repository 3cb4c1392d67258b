/**
 * A provider's book of VMs: who has which, in which state, until when. Pure: it decides, and others
 * start and stop machines as it says.
 *
 * A VM's deadline is that of its reservation (10 s) until it is created, then that of its lease:
 * every sign of life of its owner sets it to min(end of life, max(deadline, now + lease)). The VM
 * helper enforces the same deadline by its own timer; after a restart its word counts (`adopt`).
 * States and events: `vm_state.ts`. What is ended stays for a while, so that releasing twice and
 * asking why are answered; then it is forgotten, oldest first.
 *
 * @module
 */
import {
  after,
  earlier,
  fail,
  type Instant,
  ok,
  type PeerKey,
  type Random,
  type Result,
  splitPeerKey,
  toBase32,
  type VmId,
  type Wakeup,
} from "../base/mod.ts";
import {
  endingEvent,
  type EndReason,
  expiryReason,
  type HelpersWord,
  type HostVm,
  isLeased,
  leaseDeadline,
} from "./host_vm.ts";
import {
  charged,
  type MachineRoom,
  type Policy,
  type Refusal,
  refusalOf,
  refusalOfMachine,
  type Taken,
  type Used,
} from "./policy.ts";
import type { Requirements } from "./requirements.ts";
import { isEnded, isStarting, nextVmState, type VmEvent } from "./vm_state.ts";

/** How long a reservation waits for its `create`. Source: the design's request protocol. */
export const RESERVATION_MS = 10_000;

/** How many ended VMs are remembered. Guess: a day of a busy host. */
export const ENDED_VMS_MAX = 256;

/** What the answer to `reserve` is. */
export type Reservation =
  | { readonly type: "reserved"; readonly vm: HostVm }
  | { readonly type: "existing"; readonly vm: HostVm }
  | { readonly type: "refused"; readonly refusal: Refusal };

/** What a renter asks of `reserve`. */
export interface ReserveRequest {
  readonly owner: PeerKey;
  readonly key: string | null;
  readonly requirements: Requirements;
  readonly dryRun: boolean;
}

/** Why an owner's call about a VM is not served. */
export type CallReason = "not-found" | "not-owner" | "lease-ended";

/** A VM whose deadline is over: to be stopped unless it has ended with that. */
export interface Expiry {
  readonly vm: HostVm;
  /** Whether a machine may run and must be stopped; then `ended` is to be called. */
  readonly stop: boolean;
}

/** The provider's book of VMs. */
export class HostBook {
  readonly #vms = new Map<VmId, HostVm>();
  readonly #random: Random;
  #policy: Policy;

  /** A book with `vms` in it: those of before a restart. */
  constructor(policy: Policy, random: Random, vms: Iterable<HostVm> = []) {
    this.#policy = policy;
    this.#random = random;
    for (const vm of vms) this.#vms.set(vm.id, vm);
    this.#forgetOldest();
  }

  get policy(): Policy {
    return this.#policy;
  }

  /** Replaces the policy for what comes; what lives keeps what it was granted. */
  setPolicy(policy: Policy): void {
    this.#policy = policy;
  }

  get(id: VmId): HostVm | undefined {
    return this.#vms.get(id);
  }

  /** All VMs, oldest first, ended ones too. */
  list(): readonly HostVm[] {
    return [...this.#vms.values()];
  }

  /** VMs that have not ended, oldest first. */
  living(): readonly HostVm[] {
    return this.list().filter((vm) => !isEnded(vm.state));
  }

  /** What the VMs that have not ended use: of memory, with what running them takes. */
  used(): Used {
    return this.#sum(this.living());
  }

  /**
   * Sets room aside for 10 s, where neither the policy nor the machine (`room`) stands against it. The same owner and key get the same VM until its end is decided: one
   * that is being released is nothing that a repeated request could want.
   */
  reserve(request: ReserveRequest, now: Instant, room?: MachineRoom): Reservation {
    this.#expireReservations(now);
    const existing = this.#findByKey(request.owner, request.key);
    if (existing !== undefined) return { type: "existing", vm: existing };
    const refusal = this.#refusalOf(request, room);
    if (refusal !== undefined) return { type: "refused", refusal };
    const vm = this.#newVm(request, now);
    this.#vms.set(vm.id, vm);
    return { type: "reserved", vm };
  }

  /**
   * Turns the owner's reservation into a VM whose life and lease begin now. `first` is false where
   * that was done before: then nothing is to be started.
   */
  create(
    owner: PeerKey,
    id: VmId,
    now: Instant,
  ): Result<{ vm: HostVm; first: boolean }, CallReason> {
    const found = this.#ownersLiving(owner, id, now);
    if (!found.ok) return found;
    const vm = found.value;
    if (vm.state === "releasing") return fail("lease-ended");
    if (vm.state !== "reserved") return ok({ vm, first: false });
    const lifeEndsAt = after(now, this.#policy.lifeMsMax);
    const deadline = leaseDeadline(now, vm.requirements.leaseMs, now, lifeEndsAt);
    return ok({ vm: this.#move(vm, "create", { lifeEndsAt, deadline }), first: true });
  }

  /** The machine runs: creating → booting. Returns whether that was the state. */
  launched(id: VmId): boolean {
    return this.#happened(id, "launched", {});
  }

  /** The guest serves: booting → ready. Returns whether that was the state. */
  ready(id: VmId, now: Instant): boolean {
    return this.#happened(id, "ready", { readyAt: now });
  }

  /** A sign of life of its owner: renews the lease of a VM that was created. */
  touch(owner: PeerKey, id: VmId, now: Instant): Result<HostVm, CallReason> {
    const found = this.#ownersLiving(owner, id, now);
    return found.ok ? ok(this.#renew(found.value, found.value.requirements.leaseMs, now)) : found;
  }

  /** A heartbeat: renews every lease of `owner`; returns the VMs that have one. */
  touchAll(owner: PeerKey, now: Instant): readonly HostVm[] {
    const own = this.living().filter((vm) => vm.owner === owner && isLeased(vm.state));
    return own.filter((vm) => now < vm.deadline).map((vm) =>
      this.#renew(vm, vm.requirements.leaseMs, now)
    );
  }

  /** Moves the end of the lease to `now + ms` at least, within the policy and the life. */
  extend(owner: PeerKey, id: VmId, ms: number, now: Instant): Result<HostVm, CallReason> {
    const found = this.#ownersLiving(owner, id, now);
    if (!found.ok) return found;
    const granted = ms > 0 ? Math.min(ms, this.#policy.leaseMsMax) : 0;
    return ok(this.#renew(found.value, granted, now));
  }

  /** Ends a VM for its owner; done again, it changes nothing. `releasing`: it is to be stopped. */
  release(owner: PeerKey, id: VmId): Result<HostVm, "not-found" | "not-owner"> {
    const vm = this.#vms.get(id);
    if (vm === undefined) return fail("not-found");
    return vm.owner === owner ? ok(this.#end(vm, "released")) : fail("not-owner");
  }

  /** Takes a VM back for the provider's owner; done again, it changes nothing. */
  evict(id: VmId): Result<HostVm, "not-found"> {
    const vm = this.#vms.get(id);
    return vm === undefined ? fail("not-found") : ok(this.#end(vm, "evicted"));
  }

  /** The machine is gone, for `reason` unless another was decided before. Returns the VM. */
  ended(id: VmId, reason: EndReason, detail: string | null = null): HostVm | undefined {
    const vm = this.#vms.get(id);
    if (vm === undefined) return undefined;
    const end = { endReason: vm.endReason ?? reason, endDetail: vm.endDetail ?? detail };
    const moved = this.#move(vm, endingEvent(vm, reason), end);
    this.#forgetOldest();
    return moved;
  }

  /** After a restart nothing of the machine was found. */
  lost(id: VmId): HostVm | undefined {
    return this.ended(id, "lost");
  }

  /**
   * After a restart the helper of a VM answered: its timers are the truth, whatever clocks did.
   * Returns the VM, or `undefined` where the book knows none that could live.
   */
  adopt(id: VmId, left: HelpersWord, now: Instant): HostVm | undefined {
    const vm = this.#vms.get(id);
    if (vm === undefined || isEnded(vm.state) || vm.state === "reserved") return undefined;
    const times = {
      deadline: after(now, left.leaseLeftMs),
      lifeEndsAt: after(now, left.lifeLeftMs),
    };
    const booting = nextVmState(vm.state, "launched") ?? vm.state;
    const state = left.ready ? nextVmState(booting, "ready") ?? booting : booting;
    const readyAt = state === "ready" ? vm.readyAt ?? now : vm.readyAt;
    return this.#keep({ ...vm, ...times, state, readyAt });
  }

  /** Ends what is over at `now`; what must be stopped is in the answer, once. */
  expire(now: Instant): readonly Expiry[] {
    const over = this.living().filter((vm) => vm.state !== "releasing" && now >= vm.deadline);
    return over.map((vm) => {
      const ended = this.#end(vm, expiryReason(vm));
      return { vm: ended, stop: ended.state === "releasing" };
    });
  }

  /** When `expire` is due next. */
  wakeup(): Wakeup | undefined {
    return this.living().filter((vm) => vm.state !== "releasing").reduce<Wakeup | undefined>(
      (next, vm) => earlier(next, { at: vm.deadline, why: expiryReason(vm) }),
      undefined,
    );
  }

  #newVm(request: ReserveRequest, now: Instant): HostVm {
    const { requirements } = request;
    const leaseMs = Math.min(
      requirements.leaseMs,
      this.#policy.leaseMsMax,
      this.#policy.lifeMsMax,
    );
    return {
      id: toBase32(this.#random.bytes(10)) as VmId,
      owner: request.owner,
      key: request.key,
      requirements: { ...requirements, leaseMs },
      dryRun: request.dryRun,
      state: "reserved",
      requestedAt: now,
      readyAt: null,
      deadline: after(now, RESERVATION_MS),
      lifeEndsAt: null,
      endReason: null,
      endDetail: null,
    };
  }

  #findByKey(owner: PeerKey, key: string | null): HostVm | undefined {
    if (key === null) return undefined;
    return this.living().find((vm) =>
      vm.owner === owner && vm.key === key && vm.state !== "releasing"
    );
  }

  #refusalOf({ owner, requirements }: ReserveRequest, room?: MachineRoom): Refusal | undefined {
    const { node } = splitPeerKey(owner);
    const living = this.living();
    const lasting = living.filter(({ state }) => state !== "reserved" && state !== "releasing");
    const taken = { now: this.#taken(living, node), lasting: this.#taken(lasting, node) };
    const refusal = refusalOf(this.#policy, { owner: node, requirements }, taken);
    if (refusal !== undefined || room === undefined) return refusal;
    return refusalOfMachine(this.#policy, requirements, room);
  }

  /** What `vms` take, and of them those of one person: the same in every network. */
  #taken(vms: readonly HostVm[], node: string): Taken {
    const own = vms.filter((vm) => splitPeerKey(vm.owner).node === node);
    const starting = own.filter((vm) => isStarting(vm.state)).length;
    return { used: this.#sum(vms), share: { living: own.length, starting } };
  }

  #sum(vms: readonly HostVm[]): Used {
    return vms.reduce((sum, { requirements }) => ({
      vms: sum.vms + 1,
      cpu: sum.cpu + requirements.cpu,
      memoryBytes: sum.memoryBytes + charged(this.#policy, requirements),
      storageBytes: sum.storageBytes + requirements.storageBytes,
    }), { vms: 0, cpu: 0, memoryBytes: 0, storageBytes: 0 });
  }

  #ownersLiving(owner: PeerKey, id: VmId, now: Instant): Result<HostVm, CallReason> {
    const vm = this.#vms.get(id);
    if (vm === undefined) return fail("not-found");
    if (vm.owner !== owner) return fail("not-owner");
    return isEnded(vm.state) || now >= vm.deadline ? fail("lease-ended") : ok(vm);
  }

  #renew(vm: HostVm, ms: number, now: Instant): HostVm {
    if (!isLeased(vm.state) || vm.lifeEndsAt === null) return vm;
    return this.#keep({ ...vm, deadline: leaseDeadline(now, ms, vm.deadline, vm.lifeEndsAt) });
  }

  #end(vm: HostVm, reason: EndReason): HostVm {
    if (isEnded(vm.state) || vm.state === "releasing") return vm;
    const moved = this.#move(vm, "release", { endReason: reason });
    this.#forgetOldest();
    return moved;
  }

  #expireReservations(now: Instant): void {
    const over = this.living().filter((vm) => vm.state === "reserved" && now >= vm.deadline);
    for (const vm of over) this.#end(vm, "reservation");
  }

  #happened(id: VmId, event: VmEvent, changes: Partial<HostVm>): boolean {
    const vm = this.#vms.get(id);
    if (vm === undefined || nextVmState(vm.state, event) === undefined) return false;
    this.#move(vm, event, changes);
    return true;
  }

  /** The VM after `event`; as it was, where the event has no place in its state. */
  #move(vm: HostVm, event: VmEvent, changes: Partial<HostVm>): HostVm {
    const state = nextVmState(vm.state, event);
    return state === undefined ? vm : this.#keep({ ...vm, ...changes, state });
  }

  #keep(vm: HostVm): HostVm {
    this.#vms.set(vm.id, vm);
    return vm;
  }

  #forgetOldest(): void {
    const ended = this.list().filter((vm) => isEnded(vm.state));
    for (const vm of ended.slice(0, Math.max(0, ended.length - ENDED_VMS_MAX))) {
      this.#vms.delete(vm.id);
    }
  }
}
