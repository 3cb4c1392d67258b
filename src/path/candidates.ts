/**
 * Which of the addresses that a peer names may be tried, and how hard. A peer must not be able to
 * aim us at a victim: what nobody else observed gets a few small probes only, private addresses
 * count inside an attached prefix only, loopback only for a peer that is seen on loopback.
 *
 * @module
 */
import type { AddressScope } from "../wire/mod.ts";
import {
  CANDIDATES_MAX,
  PUNCH_SCHEDULE_MS,
  UNVOUCHED_PROBES_MAX,
  VOUCHED_ATTEMPTS_MAX,
} from "./constants.ts";

/** A candidate of a peer with what is known of it. */
export interface Candidate {
  /** `IP:PORT`. */
  readonly address: string;
  readonly scope: AddressScope;
  /** Whether a third party (a relay) saw the peer there. */
  readonly vouched: boolean;
  /** Whether the address lies in a prefix of one of our own interfaces. */
  readonly attached: boolean;
}

/** What the rules look at besides the candidate. */
export interface CandidateContext {
  /** Whether the peer, or the relay that leads to it, is seen on a loopback address. */
  readonly loopback: boolean;
}

/** A candidate that will be tried, with the number of probes that it may get. */
export interface Target {
  readonly address: string;
  /** Of one attempt. */
  readonly probesMax: number;
  /** Of all attempts within the window of `ProbeBudget`. */
  readonly windowProbesMax: number;
}

/** The targets to try, in order, each with its budget. */
export function admissibleTargets(
  candidates: readonly Candidate[],
  context: CandidateContext,
): Target[] {
  return candidates
    .filter((candidate) => isAdmissible(candidate, context))
    .slice(0, CANDIDATES_MAX)
    .map(({ address, vouched, attached }) => {
      const probesMax = vouched || attached ? PUNCH_SCHEDULE_MS.length : UNVOUCHED_PROBES_MAX;
      const attemptsMax = vouched || attached ? VOUCHED_ATTEMPTS_MAX : 1;
      return { address, probesMax, windowProbesMax: probesMax * attemptsMax };
    });
}

/** Whether an address that a peer names may be tried at all. */
export function isAdmissible(
  candidate: Omit<Candidate, "address">,
  context: CandidateContext,
): boolean {
  switch (candidate.scope) {
    case "global":
      return true;
    case "private":
    case "cgnat":
      return candidate.attached || candidate.vouched;
    case "loopback":
      return context.loopback;
    case "link-local":
    case "unusable":
      return false;
  }
}
