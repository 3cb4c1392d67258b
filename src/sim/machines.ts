/**
 * The VMs that really run at a simulated provider: each under a helper of its own, which enforces lease
 * and life by its own timer and outlives the node.
 *
 * @module
 */
import { after, type Instant, type PeerKey, type VmId } from "../base/mod.ts";
import type { EndReason, HelpersWord } from "../market/mod.ts";
import type { World } from "./world.ts";

/** How long a guest takes to boot, and a machine to stop. Guesses: under emulation, and at its end. */
const BOOT_MS = 3_000;
const STOP_MS = 200;

/** A running VM. Times are the world's. */
export interface RunningVm {
  readonly id: VmId;
  readonly owner: PeerKey;
  readonly beganAt: Instant;
  readonly lifeEndsAt: Instant;
  leaseEndsAt: Instant;
  isReady: boolean;
}

/** What the node hears of its machines. */
export interface MachineEvents {
  ready(id: VmId): void;
  ended(id: VmId, reason: EndReason): void;
}

/** All machines of one provider. */
export class Machines {
  readonly #world: World;
  readonly #running = new Map<VmId, RunningVm>();
  /** The node, while it is there. */
  #events: MachineEvents | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  /** All that run, oldest first. */
  running(): readonly RunningVm[] {
    return [...this.#running.values()];
  }

  /** A node is there, and hears of what happens from now on; `null`: none is. */
  attach(events: MachineEvents | null): void {
    this.#events = events;
  }

  /** Starts a machine. */
  launch(
    id: VmId,
    owner: PeerKey,
    left: { readonly leaseMs: number; readonly lifeMs: number },
  ): void {
    const { now } = this.#world;
    const [leaseEndsAt, lifeEndsAt] = [after(now, left.leaseMs), after(now, left.lifeMs)];
    const vm = { id, owner, beganAt: now, lifeEndsAt, leaseEndsAt, isReady: false };
    this.#running.set(id, vm);
    this.#world.later(BOOT_MS, () => this.#booted(vm));
    this.#watch(vm);
  }

  /** Tells a helper of a later end of the lease. */
  renew(id: VmId, leaseMs: number): void {
    const vm = this.#running.get(id);
    if (vm === undefined) return;
    vm.leaseEndsAt = after(this.#world.now, leaseMs);
    this.#watch(vm);
  }

  /** Stops a machine, which takes a moment. */
  stop(id: VmId, reason: EndReason): void {
    const vm = this.#running.get(id);
    if (vm !== undefined) this.#world.later(STOP_MS, () => this.#end(vm, reason));
  }

  /** What a helper says of its VM; `undefined` where none runs. */
  word(id: VmId): HelpersWord | undefined {
    const vm = this.#running.get(id);
    if (vm === undefined) return undefined;
    const left = (until: Instant) => Math.max(0, until - this.#world.now);
    const [leaseLeftMs, lifeLeftMs] = [left(vm.leaseEndsAt), left(vm.lifeEndsAt)];
    return { leaseLeftMs, lifeLeftMs, ready: vm.isReady };
  }

  #booted(vm: RunningVm): void {
    if (this.#running.get(vm.id) !== vm) return;
    vm.isReady = true;
    this.#events?.ready(vm.id);
  }

  /** The helper's own timer. */
  #watch(vm: RunningVm): void {
    const due = Math.min(vm.leaseEndsAt, vm.lifeEndsAt);
    this.#world.later(Math.max(0, due - this.#world.now), () => {
      const isOver = this.#world.now >= Math.min(vm.leaseEndsAt, vm.lifeEndsAt);
      if (!isOver) return; // it was renewed, and is watched anew
      this.#end(vm, this.#world.now >= vm.lifeEndsAt ? "life" : "lease");
    });
  }

  #end(vm: RunningVm, reason: EndReason): void {
    if (this.#running.get(vm.id) !== vm) return;
    this.#running.delete(vm.id);
    this.#events?.ended(vm.id, reason);
  }
}
