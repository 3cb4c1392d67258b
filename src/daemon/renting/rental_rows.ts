/**
 * Rentals as rows that survive a restart.
 *
 * @module
 */
import type { RentalRow } from "../../host/store/mod.ts";
import { isEnded, type Rental } from "../../market/mod.ts";
import { hostKeyLine } from "./rental_tunnel.ts";

/** The row of a rental. */
export function toRow(rental: Rental): RentalRow {
  const { created } = rental;
  return {
    id: rental.id,
    network: rental.network,
    provider: rental.provider,
    key: rental.state === "releasing" ? null : rental.key, // the next request with it gets another
    name: rental.name,
    state: rental.state,
    request: rental.request,
    secrets: isEnded(rental.state) ? null : rental.privateKey, // nobody gets in any more
    hostKey: created === null ? null : hostKeyLine(created),
    leaseMs: rental.leaseMs,
    leaseExpiresAtMs: rental.leaseExpiresAtMs,
    requestedAtMs: rental.requestedAtMs,
    readyAtMs: rental.readyAtMs,
    checkedAtMs: rental.checkedAtMs,
    endedAtMs: rental.endedAtMs,
    document: {
      created: rental.created,
      identityFile: rental.identityFile,
      accelerator: rental.accelerator,
      isolation: rental.isolation,
      confinement: rental.confinement,
      imageDigest: rental.imageDigest,
      lifeMs: rental.lifeMs,
      lifeEndsAtMs: rental.lifeEndsAtMs,
      providerKnown: rental.providerKnown,
      dryRun: rental.dryRun,
      timings: rental.timings,
      reason: rental.reason,
      endReason: rental.endReason,
      localTunnel: rental.localTunnel,
    },
  };
}

/** The rental of a row. Rows are only written by `toRow`; the database checks their types. */
export function fromRow(row: RentalRow): Rental {
  const { hostKey: _derived, secrets, document, ...same } = row;
  return { ...same, ...document, privateKey: secrets ?? new Uint8Array(32) };
}
