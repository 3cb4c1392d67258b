/**
 * The life of a VM as both sides see it: the same nine states at its provider and at its renter.
 *
 * ```
 *  requested ──reserve──▶ reserved ──create──▶ creating ──launched──▶ booting ──ready──▶ ready
 *      │                     │                    │                     │                 │
 *      ├──────release────────┤                    └──────────release────┴─────────────────┤
 *      ▼                     ▼                                                            ▼
 *   released ◀───────────────┴────────────────────────ended──────────────────────── releasing
 *
 *  from requested … ready:   ended ──▶ released    failed ──▶ failed    lost ──▶ lost
 *  from releasing:           ended, failed, lost ──▶ released: it is gone, and that was the wish
 *  from released, failed, lost: release changes nothing, all else is refused
 * ```
 *
 * Whoever gives `release` (the owner, the provider's owner, a deadline) is not this table's business.
 *
 * @module
 */

/** A state of a VM. Source: the command line's contract. */
export type VmState =
  | "requested"
  | "reserved"
  | "creating"
  | "booting"
  | "ready"
  | "releasing"
  | "released"
  | "failed"
  | "lost";

/** What happens to a VM. */
export type VmEvent =
  | "reserve"
  | "create"
  | "launched"
  | "ready"
  | "release"
  | "ended"
  | "failed"
  | "lost";

/** A step on the way to a VM that its renter can use, in their order. */
export type VmPhase = "match" | "reserve" | "create" | "boot" | "network" | "ssh";

/** All states, in the order of a life. */
export const VM_STATES = [
  "requested",
  "reserved",
  "creating",
  "booting",
  "ready",
  "releasing",
  "released",
  "failed",
  "lost",
] as const satisfies readonly VmState[];

/** All events. */
export const VM_EVENTS = [
  "reserve",
  "create",
  "launched",
  "ready",
  "release",
  "ended",
  "failed",
  "lost",
] as const satisfies readonly VmEvent[];

const ENDINGS = { ended: "released", failed: "failed", lost: "lost" } as const;

const NEXT: Readonly<Record<VmState, Readonly<Partial<Record<VmEvent, VmState>>>>> = {
  requested: { reserve: "reserved", release: "released", ...ENDINGS },
  reserved: { create: "creating", release: "released", ...ENDINGS },
  creating: { launched: "booting", release: "releasing", ...ENDINGS },
  booting: { ready: "ready", release: "releasing", ...ENDINGS },
  ready: { release: "releasing", ...ENDINGS },
  releasing: { release: "releasing", ended: "released", failed: "released", lost: "released" },
  released: { release: "released" },
  failed: { release: "failed" },
  lost: { release: "lost" },
};

/** The state after `event`, or `undefined` where the event has no place in `state`. */
export function nextVmState(state: VmState, event: VmEvent): VmState | undefined {
  return NEXT[state][event];
}

/** Whether a VM in `state` has ended: it uses nothing and will not change any more. */
export function isEnded(state: VmState): boolean {
  return state === "released" || state === "failed" || state === "lost";
}

/** Whether nothing is wanted any more of a VM in `state`: it has ended, or is to end. */
export function isOver(state: VmState): boolean {
  return state === "releasing" || isEnded(state);
}

/** Whether a VM in `state` is on its way to being usable. */
export function isStarting(state: VmState): boolean {
  return state === "reserved" || state === "creating" || state === "booting";
}

/** Whether `text` is a state: for what comes from a peer or a database. */
export function isVmState(text: unknown): text is VmState {
  return VM_STATES.some((state) => state === text);
}
