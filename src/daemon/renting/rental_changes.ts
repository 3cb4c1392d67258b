/**
 * What a provider's word changes in a rental, and whether that is worth a write; and the order in which
 * rentals are shown.
 *
 * @module
 */
import type { VmStateMessage } from "../../node/mod.ts";
import { hasEnded, type Rental } from "./rental.ts";

/** A deadline that moved by less than this part of the lease is not written: a restart asks anyway. */
const LEASE_NEWS = 0.1; // guess: a heartbeat comes after a third of a lease

/** The rental after its provider's word about it, heard at `nowMs`. */
export function afterWord(rental: Rental, message: VmStateMessage, nowMs: number): Rental {
  const { leaseLeftMs, lifeLeftMs, reason, endReason } = message;
  const state = stateAfter(rental.state, message.state);
  return {
    ...rental,
    state,
    leaseExpiresAtMs: leaseLeftMs === null ? rental.leaseExpiresAtMs : nowMs + leaseLeftMs,
    lifeEndsAtMs: lifeLeftMs === null ? rental.lifeEndsAtMs : nowMs + lifeLeftMs,
    checkedAtMs: nowMs,
    reason: reason ?? rental.reason,
    endReason: hasEnded(state) ? endReason : null,
    endedAtMs: hasEnded(state) ? nowMs : null,
  };
}

/** Ready is what the renter has seen answering; the provider only says that the guest boots. */
function stateAfter(before: Rental["state"], told: VmStateMessage["state"]): Rental["state"] {
  const state = told === "ready" ? before : told;
  const isOnItsWay = !hasEnded(state) && state !== "releasing";
  return before === "ready" && isOnItsWay ? "ready" : state;
}

/** Whether what a provider tells changes what a restart would have to know. */
export function isNews(before: Rental, after: Rental): boolean {
  const moved = (a: number | null, b: number | null) => Math.abs((a ?? 0) - (b ?? 0));
  return before.state !== after.state || before.reason !== after.reason ||
    before.endReason !== after.endReason || before.checkedAtMs === null ||
    moved(before.leaseExpiresAtMs, after.leaseExpiresAtMs) > LEASE_NEWS * after.leaseMs ||
    moved(before.lifeEndsAtMs, after.lifeEndsAtMs) > LEASE_NEWS * after.leaseMs;
}

/** Living ones first, as they were requested; then those that ended, the newest first. */
export function byLife(a: Rental, b: Rental): number {
  if (a.endedAtMs === null || b.endedAtMs === null) {
    return Number(a.endedAtMs !== null) - Number(b.endedAtMs !== null) ||
      a.requestedAtMs - b.requestedAtMs;
  }
  return b.endedAtMs - a.endedAtMs;
}
