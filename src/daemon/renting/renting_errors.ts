/**
 * What can be wrong with renting, in words for people.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { Rental, RentalNameReason, RequestRefusal } from "../../market/mod.ts";

/** Why a name means no one VM; `living` live. */
export function notMeant(
  reason: RentalNameReason,
  name: string | null,
  living: number,
): OmertaError {
  switch (reason) {
    case "unknown":
      return new OmertaError("not-found", `There is no VM ${JSON.stringify(name)}`, {
        hint: "See 'omerta list'.",
      });
    case "ambiguous":
      return new OmertaError("ambiguous", `More than one VM begins with ${name}`, {
        hint: "Give more characters of the id.",
      });
    case "none-lives":
      return new OmertaError("not-found", "You have no VM", {
        hint: "Request one with 'omerta request'.",
      });
    case "several-live":
      return new OmertaError("ambiguous", `You have ${living} VMs`, {
        hint: "Give the id or name of one: see 'omerta list'.",
      });
  }
}

/** That a VM cannot be reached, and how it stands. */
export function notReady(rental: Rental): OmertaError {
  const what = rental.dryRun ? "is a dry run and has no machine" : `is ${rental.state}, not ready`;
  return new OmertaError("not-found", `The VM ${rental.id} ${what}`, {
    hint: `See 'omerta consumer status ${rental.id}'.`,
  });
}

/** That a VM has ended, and why. */
export function hasEnded({ id, reason }: Rental): OmertaError {
  const why = reason === null ? "" : `: ${reason}`;
  return new OmertaError("lease-ended", `The VM ${id} has ended${why}`);
}

/** Why a request does not begin. */
export function notBegun(refusal: RequestRefusal, name: string | null): OmertaError {
  switch (refusal) {
    case "name-taken":
      return new OmertaError("exists", `A living VM is named ${name} already`, {
        hint: `Release it with 'omerta consumer release ${name}', or take another name.`,
      });
    case "full":
      return new OmertaError("refused", "This node rents as many VMs as it can keep alive", {
        hint: "Release some with 'omerta release'.",
      });
  }
}

/** Why nobody of a network can be asked for a VM. */
export type NoProvider = "nobody" | "only-self" | "other-times";

/** That nobody lends in a network, as far as this node can see. */
export function noProvider(network: string, why: NoProvider): OmertaError {
  switch (why) {
    case "nobody":
      return new OmertaError("no-provider", `No provider of ${network} is known`, {
        hint: "Start one with 'omerta provider' on a machine of the network.",
      });
    case "only-self":
      return new OmertaError("no-provider", `The only provider of ${network} is this node itself`, {
        hint: OTHER_STATE,
      });
    case "other-times":
      return new OmertaError(
        "no-provider",
        `No provider of ${network} is known, and what the relays tell is of another time`,
        { hint: "Is this machine's clock right? See what 'date -u' says." },
      );
  }
}

/** That a node was asked to rent from itself. */
export function rentsFromItself(): OmertaError {
  return new OmertaError(
    "no-provider",
    "That is this node itself, which does not rent from itself",
    { hint: OTHER_STATE },
  );
}

const OTHER_STATE =
  "To rent from this very machine, use a node of its own: --state DIR, joined to the network.";

/** That a peer does not lend. */
export function notProvider(peer: string): OmertaError {
  return new OmertaError("no-provider", `The peer ${peer} lends no VMs: it runs no provider`, {
    hint: "See 'omerta mesh peers' for who does.",
  });
}
