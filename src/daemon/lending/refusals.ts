/**
 * Why a provider says no, as errors that its renters are told.
 *
 * @module
 */
import { capital, OmertaError } from "../../base/mod.ts";
import type { CallReason, Refusal } from "../../market/mod.ts";
import type { Caller } from "../ports.ts";
import type { LendingPorts } from "./ports.ts";

/** @throws {OmertaError} `not-allowed` where the caller's certificate does not let it rent. */
export function requireGrant({ views }: Pick<LendingPorts, "views">, { peer }: Caller): void {
  if (views.holds(peer, "rent")) return;
  throw new OmertaError("not-allowed", "Your membership does not include renting VMs");
}

/** A dry run is served by a provider that runs dry, and by it nothing else. */
export function requireSameDryness(asked: boolean, isDry: boolean): void {
  if (asked === isDry) return;
  throw new OmertaError(
    "refused",
    isDry
      ? "The provider runs dry: it answers requests with --dry-run only"
      : "The provider serves no dry runs: only one that was started with --dry-run does",
  );
}

/** What the market refuses, as an error. */
export function refusalError({ code, message, retryMs }: Refusal): OmertaError {
  const fields = retryMs === undefined ? {} : { retryMs };
  return new OmertaError(code, capital(message), { fields });
}

/** Why an owner's call is not served, as an error. */
export function callError(reason: CallReason, vm: string): OmertaError {
  const messages: Record<CallReason, string> = {
    "not-found": `The provider knows no VM ${vm}`,
    "not-owner": `The VM ${vm} belongs to somebody else`,
    "lease-ended": `The VM ${vm} has ended`,
  };
  return new OmertaError(reason, messages[reason]);
}
