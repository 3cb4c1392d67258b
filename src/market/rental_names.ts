/**
 * From what a person types to the one rented VM that is meant.
 *
 * @module
 */
import { fail, ok, type Result, VM_PREFIX_CHARS_MIN } from "../base/mod.ts";
import { byLife, type Rental } from "./rental.ts";
import { isEnded } from "./vm_state.ts";

/** Why a name means no one VM: none or several fit, or none or several live where none was named. */
export type RentalNameReason = "unknown" | "ambiguous" | "none-lives" | "several-live";

/**
 * The rental of an id, a prefix of it or a name, living ones first, then what ended last; `null`: the
 * only living one.
 */
export function findRental(
  all: readonly Rental[],
  name: string | null,
): Result<Rental, RentalNameReason> {
  const living = all.filter((rental) => !isEnded(rental.state));
  if (name === null) return onlyOne(living, "none-lives", "several-live");
  const named = living.find((rental) => rental.name === name) ??
    all.find((rental) => rental.id === name) ??
    all.toSorted(byLife).find((rental) => rental.name === name);
  return named === undefined ? byPrefix(all, living, name) : ok(named);
}

function byPrefix(
  all: readonly Rental[],
  living: readonly Rental[],
  prefix: string,
): Result<Rental, RentalNameReason> {
  const fits = (rental: Rental) =>
    prefix.length >= VM_PREFIX_CHARS_MIN && rental.id.startsWith(prefix);
  const fitting = living.some(fits) ? living.filter(fits) : all.filter(fits);
  return onlyOne(fitting, "unknown", "ambiguous");
}

function onlyOne(
  [only, ...more]: readonly Rental[],
  none: RentalNameReason,
  several: RentalNameReason,
): Result<Rental, RentalNameReason> {
  if (only === undefined) return fail(none);
  return more.length === 0 ? ok(only) : fail(several);
}
