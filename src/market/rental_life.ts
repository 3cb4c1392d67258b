/**
 * What happens to one rented VM, on the table of `vm_state.ts`.
 *
 * ```text
 *  creating: create      created: keeps the way in    ready: (launched,) ready     noted: keeps the reason
 *  release: release      released: ended              dropped, cut-off: failed     unknown: lost
 *  over: ended, once nobody can still run it
 *  told:     reserved, creating ─▶ nothing      booting, ready ─▶ launched      releasing ─▶ release
 *            released ─▶ ended                  failed ─▶ failed                lost ─▶ lost
 * ```
 *
 * Ready is what the renter has seen answering; the provider only says that the guest is up. A word that
 * has no place in the rental's state moves its times alone, anything else that has none moves nothing.
 *
 * @module
 */
import { unreachable } from "../base/mod.ts";
import type {
  OwnersEndReason,
  ProviderWord,
  Rental,
  RentalCreated,
  RequestTimings,
} from "./rental.ts";
import { isEnded, isOver, nextVmState, type VmEvent } from "./vm_state.ts";

/** A VM is over so long after its last moment by our clock, which may differ from its provider's. Guess. */
const OVER_MS = 300_000;

/** A deadline that moved by less than this part of the lease is not written: a restart asks anyway. */
const LEASE_NEWS = 0.1; // guess: a heartbeat comes after a third of a lease

/** What happens to a rental. */
export type RentalChange =
  /** The provider is asked to create the VM: from now on a machine may run. */
  | { readonly type: "creating" }
  /** It answered. */
  | {
    readonly type: "created";
    readonly created: RentalCreated;
    readonly timings: RequestTimings;
  }
  /** Its ssh answered through the tunnel; of a dry run nothing more is to come. */
  | { readonly type: "ready"; readonly timings?: RequestTimings }
  /** Its request failed or was left: why, to be shown while it still lives. */
  | { readonly type: "noted"; readonly reason: string }
  /** It is of no use: it ends here at once. */
  | { readonly type: "dropped"; readonly reason: string }
  /** The node ended before it was created. */
  | { readonly type: "cut-off" }
  /** Its provider says how it stands; or does not name it, though it was asked about it. */
  | { readonly type: "told"; readonly word: ProviderWord }
  | { readonly type: "unknown" }
  /** It is wanted no more; and its provider has done that, or knows no such VM. */
  | { readonly type: "release" }
  | { readonly type: "released" }
  /** Time has passed. */
  | { readonly type: "over" };

/** The rental after a change, seen at `unixMs`; the same object where the change has no place. */
export function rentalAfter(rental: Rental, change: RentalChange, unixMs: number): Rental {
  if (isEnded(rental.state)) return rental;
  const moved = (event: VmEvent, fields: Partial<Rental> = {}) => move(rental, event, fields);
  switch (change.type) {
    case "creating":
      return moved("create");
    case "created":
      return created(rental, change, unixMs);
    case "ready":
      return ready(rental, change.timings ?? rental.timings, unixMs);
    case "noted":
      return { ...rental, reason: change.reason };
    case "dropped":
      return moved("failed", { ...end(rental, unixMs, "failed"), reason: change.reason });
    case "cut-off":
      return rental.created === null
        ? moved("failed", { ...end(rental, unixMs, "failed"), reason: "its request was cut off" })
        : rental;
    case "told":
      return told(rental, change.word, unixMs);
    case "unknown":
      return unknown(rental, unixMs);
    case "release": // what was only set aside is over with that
      return moved("release", rental.state === "reserved" ? end(rental, unixMs, "released") : {});
    case "released":
      return rental.state === "releasing"
        ? moved("ended", { ...end(rental, unixMs, "released"), checkedAtMs: unixMs })
        : rental;
    case "over":
      return over(rental, unixMs);
    default:
      return unreachable(change);
  }
}

/** Whether what a provider told changes what a restart would have to know. */
export function isNews(before: Rental, after: Rental): boolean {
  const moved = (a: number | null, b: number | null) => Math.abs((a ?? 0) - (b ?? 0));
  return before.state !== after.state || before.reason !== after.reason ||
    before.endReason !== after.endReason || before.checkedAtMs === null ||
    moved(before.leaseExpiresAtMs, after.leaseExpiresAtMs) > LEASE_NEWS * after.leaseMs ||
    moved(before.lifeEndsAtMs, after.lifeEndsAtMs) > LEASE_NEWS * after.leaseMs;
}

function move(rental: Rental, event: VmEvent, fields: Partial<Rental>): Rental {
  const state = nextVmState(rental.state, event);
  return state === undefined ? rental : { ...rental, ...fields, state };
}

/** That it ends now; the reason that was decided before stands. */
function end({ endReason }: Rental, unixMs: number, reason: OwnersEndReason): Partial<Rental> {
  return { endReason: endReason ?? reason, endedAtMs: unixMs };
}

function created(
  rental: Rental,
  { created, timings }: RentalChange & { readonly type: "created" },
  unixMs: number,
): Rental {
  const isAwaited = rental.state === "creating" || rental.state === "booting";
  if (!isAwaited || rental.created !== null) return rental;
  return {
    ...rental,
    created,
    timings,
    leaseExpiresAtMs: unixMs + Math.min(rental.leaseMs, rental.lifeMs),
    lifeEndsAtMs: unixMs + rental.lifeMs,
    checkedAtMs: unixMs,
  };
}

function ready(rental: Rental, timings: RequestTimings, unixMs: number): Rental {
  if (rental.created === null) return rental;
  const launched = move(rental, "launched", {}); // where that was not told
  const seen = move(launched, "ready", { readyAtMs: unixMs, timings });
  return seen === launched ? rental : seen;
}

const TOLD: Readonly<Record<ProviderWord["state"], VmEvent | null>> = {
  reserved: null,
  creating: null,
  booting: "launched",
  ready: "launched",
  releasing: "release",
  released: "ended",
  failed: "failed",
  lost: "lost",
};

function told(rental: Rental, word: ProviderWord, unixMs: number): Rental {
  const { leaseLeftMs, lifeLeftMs, reason } = word;
  const event = TOLD[word.state];
  const state = event === null ? rental.state : nextVmState(rental.state, event) ?? rental.state;
  const endReason = word.endReason ?? rental.endReason;
  return {
    ...rental,
    state,
    leaseExpiresAtMs: leaseLeftMs === null ? rental.leaseExpiresAtMs : unixMs + leaseLeftMs,
    lifeEndsAtMs: lifeLeftMs === null ? rental.lifeEndsAtMs : unixMs + lifeLeftMs,
    checkedAtMs: unixMs,
    reason: reason ?? rental.reason,
    endReason: isOver(state) ? endReason : null,
    endedAtMs: isEnded(state) ? unixMs : null,
  };
}

/** A VM that its provider does not name any more is gone; one that it is still to create may come. */
function unknown(rental: Rental, unixMs: number): Rental {
  if (rental.created === null) return rental;
  const isWish = rental.state === "releasing";
  const reason = isWish ? rental.reason : "the provider does not know it any more";
  const ended = end(rental, unixMs, isWish ? "released" : "lost");
  return move(rental, "lost", { ...ended, reason, checkedAtMs: unixMs });
}

/** What no provider still runs has ended, whoever is reached. */
function over(rental: Rental, unixMs: number): Rental {
  const lastMs = lastMomentMs(rental);
  if (lastMs === null || unixMs < lastMs + OVER_MS) return rental;
  const isWish = rental.state === "releasing";
  const reason = rental.reason ??
    (isWish ? null : "its provider was silent to the end of its life");
  return move(rental, "ended", { ...end(rental, unixMs, isWish ? "released" : "expired"), reason });
}

/** The end of its life; of one that is released, that of its last lease. */
function lastMomentMs({ state, lifeEndsAtMs, leaseExpiresAtMs, leaseMs }: Rental): number | null {
  if (lifeEndsAtMs === null || leaseExpiresAtMs === null) return null;
  // The last sign of life before its release may have been heard, and its answer lost.
  return state === "releasing" ? Math.min(lifeEndsAtMs, leaseExpiresAtMs + leaseMs) : lifeEndsAtMs;
}
