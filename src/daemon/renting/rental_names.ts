/**
 * From what a person types to the one rented VM that is meant.
 *
 * @module
 */
import { OmertaError, VM_PREFIX_CHARS_MIN } from "../../base/mod.ts";
import { hasEnded, type Rental } from "./rental.ts";
import { byLife } from "./rental_changes.ts";

/**
 * The rental of an id, a prefix of it or a name, living ones first, then what ended last; `null`: the
 * only living one.
 *
 * @throws {OmertaError} `not-found`, `ambiguous`.
 */
export function findRental(all: readonly Rental[], name: string | null): Rental {
  const living = all.filter((rental) => !hasEnded(rental.state));
  if (name === null) return onlyOne(living);
  const named = living.find((rental) => rental.name === name) ??
    all.find((rental) => rental.id === name) ??
    all.toSorted(byLife).find((rental) => rental.name === name);
  return named ?? byPrefix(all, living, name);
}

/** That a VM cannot be reached, and how it stands. */
export function notReady(rental: Rental): OmertaError {
  const what = rental.dryRun ? "is a dry run and has no machine" : `is ${rental.state}, not ready`;
  return new OmertaError("not-found", `The VM ${rental.id} ${what}`, {
    hint: `See 'omerta consumer status ${rental.id}'.`,
  });
}

function byPrefix(all: readonly Rental[], living: readonly Rental[], prefix: string): Rental {
  const fits = (rental: Rental) =>
    prefix.length >= VM_PREFIX_CHARS_MIN && rental.id.startsWith(prefix);
  const prefixed = living.some(fits) ? living.filter(fits) : all.filter(fits);
  const [only, ...more] = prefixed;
  if (only !== undefined && more.length === 0) return only;
  if (only === undefined) {
    throw new OmertaError("not-found", `There is no VM ${JSON.stringify(prefix)}`, {
      hint: "See 'omerta list'.",
    });
  }
  throw new OmertaError("ambiguous", `More than one VM begins with ${prefix}`, {
    hint: "Give more characters of the id.",
  });
}

function onlyOne(living: readonly Rental[]): Rental {
  const [only, ...more] = living;
  if (only === undefined) {
    throw new OmertaError("not-found", "You have no VM", {
      hint: "Request one with 'omerta request'.",
    });
  }
  if (more.length === 0) return only;
  throw new OmertaError("ambiguous", `You have ${living.length} VMs`, {
    hint: "Give the id or name of one: see 'omerta list'.",
  });
}
