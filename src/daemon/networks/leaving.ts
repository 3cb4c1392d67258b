/**
 * What stands against leaving a network: that it would end with this state, or VMs that live in it.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { Store } from "../../host/store/mod.ts";
import type { Clock } from "../ports.ts";
import type { Joined } from "./joined.ts";

/** VMs that an error names; the others are counted. */
const NAMED_MAX = 3;

/**
 * Checks that nothing is lost by leaving the network.
 *
 * @throws {OmertaError} `refused` where the authority lives here, and where VMs live in it.
 */
export function requireLeavable(
  { store, wallMs }: Pick<Clock, "wallMs"> & { readonly store: Pick<Store, "rentals" | "hosted"> },
  { row, admitter }: Pick<Joined, "row" | "admitter">,
): void {
  const { id: network, name } = row;
  const rented = store.rentals.list({ network, endedAtMs: null })
    .filter(({ state }) => state !== "releasing")
    .map((rental) => rental.name ?? rental.id);
  if (rented.length > 0) {
    throw new OmertaError("refused", `VMs are rented in ${name}: ${listed(rented)}`, {
      hint: "Release them first: omerta release. Or leave them behind with --force.",
    });
  }
  const nowMs = wallMs();
  const lent = store.hosted.list({ network, endedAtMs: null })
    .filter(({ deadlineMs }) => deadlineMs === null || deadlineMs > nowMs)
    .map(({ id }) => id as string);
  if (lent.length > 0) {
    throw new OmertaError("refused", `VMs are lent in ${name}: ${listed(lent)}`, {
      hint: "Their leases end by themselves. Or leave at once with --force.",
    });
  }
  if (admitter === null) return;
  throw new OmertaError(
    "refused",
    `The authority of ${name} lives here: without it nobody invites`,
    {
      hint: `Export it first: omerta network export ${name} > FILE; then leave with --force.`,
    },
  );
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return names.slice(0, NAMED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
