/**
 * The terms on which a provider sets a VM aside: what it is asked for, what it grants, whether that is what
 * was asked for, and the rental that comes of it.
 *
 * ```text
 *   request ──asked──▶ provider ──terms──▶ fault? ── none ──▶ a rental, `reserved`
 *                                            └─ given back, and the next one is asked
 * ```
 *
 * @module
 */
import type { NetworkId, NodeId, VmId } from "../base/mod.ts";
import type { Rental, RequestTimings } from "./rental.ts";
import {
  imageDigestOf,
  type Requirements,
  suffices,
  type Walls,
  type WallsWanted,
} from "./requirements.ts";

/** What a provider answers when it has set a VM aside. */
export interface Terms extends Walls {
  readonly vm: string;
  /** Whether the VM was there before: the same key was asked for again. */
  readonly existing: boolean;
  readonly accelerator: "kvm" | "tcg" | null;
  /** SHA-256 of the image that will boot, in hex. */
  readonly imageDigest: string | null;
  /** Lease and life as granted, whatever was asked for. */
  readonly leaseMs: number;
  readonly lifeMs: number;
  readonly dryRun: boolean;
}

/** What of a request its terms are judged by. */
export interface Asked extends Requirements, WallsWanted {
  readonly dryRun: boolean;
}

/** The question by which a provider is asked for a VM. */
export interface TermsQuestion extends Requirements {
  readonly key: string | null;
  /** An image by its name, or by its SHA-256 in hex. */
  readonly image: string;
  readonly dryRun: boolean;
}

/** What a provider is asked: of the walls nothing, they are judged by its answer. */
export function termsQuestion(asked: Asked, key: string | null): TermsQuestion {
  const { cpu, memoryBytes, storageBytes, leaseMs, dryRun } = asked;
  const image = imageDigestOf(asked.image) ?? asked.image;
  return { key, cpu, memoryBytes, storageBytes, image, leaseMs, dryRun };
}

/** What is wrong with terms, in words that follow the provider's name; whether it had promised otherwise. */
export interface TermsFault {
  readonly text: string;
  readonly isLie: boolean;
}

/** In what terms differ from what was asked for; `null`: in nothing that matters. `offer`: what it said before. */
export function termsFault(
  asked: Asked,
  terms: Terms,
  offer: Walls | undefined,
): TermsFault | null {
  if (terms.dryRun !== asked.dryRun) {
    const text = asked.dryRun ? "does not run dry" : "only runs dry: it lends no machine";
    return { text, isLie: false };
  }
  if (terms.dryRun) return null; // no machine, no walls
  const digest = imageDigestOf(asked.image);
  if (digest !== null && terms.imageDigest !== digest) {
    return { text: "would boot another image than the one of that digest", isLie: true };
  }
  if (suffices(terms, asked) === true) return null;
  const isLie = offer !== undefined && suffices(offer, asked) === true;
  return { text: "does not confine a VM as well as was asked for", isLie };
}

/** What a rental holds besides its terms. */
export interface RentalStart extends
  Pick<
    Rental,
    "key" | "name" | "privateKey" | "localTunnel" | "identityFile" | "providerKnown"
  > {
  readonly network: NetworkId;
  readonly provider: NodeId;
  readonly request: Requirements;
  readonly timings: RequestTimings;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** The rental that comes of terms, `reserved`. */
export function rentalOf(terms: Terms, { nowMs, request, ...start }: RentalStart): Rental {
  const { cpu, memoryBytes, storageBytes, image, leaseMs } = request;
  return {
    ...start,
    id: terms.vm as VmId,
    state: "reserved",
    request: { cpu, memoryBytes, storageBytes, image, leaseMs },
    created: null,
    accelerator: terms.accelerator,
    isolation: terms.isolation,
    confinement: terms.confinement,
    imageDigest: terms.imageDigest,
    leaseMs: terms.leaseMs,
    lifeMs: terms.lifeMs,
    dryRun: terms.dryRun,
    reason: null,
    endReason: null,
    requestedAtMs: nowMs,
    readyAtMs: null,
    leaseExpiresAtMs: null,
    lifeEndsAtMs: null,
    checkedAtMs: nowMs,
    endedAtMs: null,
  };
}
