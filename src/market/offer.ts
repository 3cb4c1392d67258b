/**
 * What a provider says in its record that it could lend, and how a renter reads it. Offers are hints:
 * the provider decides when it is asked.
 *
 * @module
 */
import { type MachineRoom, type Policy, roomLeft, type Used } from "./policy.ts";
import {
  CONFINEMENTS,
  type Requirements,
  suffices,
  type Walls,
  type WallsWanted,
} from "./requirements.ts";

/** What a provider says that it could lend now. What it does not say is `null`. */
export interface Offer extends Walls {
  readonly accepting: boolean;
  readonly cpu: number | null;
  readonly memoryBytes: number | null;
  readonly storageBytes: number | null;
  /** Whether it serves dry runs, and nothing else. */
  readonly dryRun: boolean | null;
}

/** The machine's own room is told in such steps, for a record is no thermometer. Guess. */
const STEP_BYTES = 64 * 2 ** 20;

/**
 * The facts by which a provider's record offers what is left under its policy, and of the machine
 * where that is less.
 */
export function offerFacts(
  policy: Policy,
  used: Used,
  room?: MachineRoom,
): Readonly<Record<string, number | boolean>> {
  const { vms, cpu, memoryBytes: lent, storageBytes: disk } = roomLeft(policy, used);
  const stepped = (bytes: number) => Math.max(0, Math.floor(bytes / STEP_BYTES) * STEP_BYTES);
  const memoryBytes = room === undefined
    ? lent
    : Math.min(lent, stepped(room.memoryBytes - policy.overheadBytes));
  const storageBytes = room === undefined ? disk : Math.min(disk, stepped(room.storageBytes));
  const accepting = policy.accepting && vms > 0 && memoryBytes > 0;
  return { accepting, vms, cpu, memoryBytes, storageBytes };
}

/** Reads an offer from the facts of a record; what is not said as expected is unknown. */
export function offerOf(facts: Readonly<Record<string, unknown>>): Offer {
  const figure = (name: string) => {
    const value = Object.hasOwn(facts, name) ? facts[name] : undefined;
    return typeof value === "number" && value >= 0 ? value : null;
  };
  return {
    accepting: facts["accepting"] === true,
    cpu: figure("cpu"),
    memoryBytes: figure("memoryBytes"),
    storageBytes: figure("storageBytes"),
    dryRun: facts["dryRun"] === true,
    isolation: word(facts, "isolation", ["hardware", "emulated"] as const),
    confinement: word(facts, "confinement", CONFINEMENTS),
  };
}

/** An offer of which nothing is known: of a provider that a person named. */
export const UNKNOWN_OFFER: Offer = {
  accepting: true,
  cpu: null,
  memoryBytes: null,
  storageBytes: null,
  dryRun: null,
  isolation: null,
  confinement: null,
};

/** Whether to ask at all: not where the provider itself says that its walls are weaker. */
export function isWorthAsking(offer: Offer, wanted: WallsWanted): boolean {
  return suffices(offer, wanted) !== false;
}

/** Whether it would serve such a request, dry or real: dry runs are for those who run dry. */
export function isOfSameKind(offer: Offer, wanted: { readonly dryRun: boolean }): boolean {
  return offer.dryRun === null || offer.dryRun === wanted.dryRun;
}

/** Whether an offer has room for what is wanted; what is unknown is no obstacle. */
export function fits(offer: Offer, wanted: Requirements): boolean {
  const enough = (offered: number | null, asked: number) => offered === null || offered >= asked;
  return enough(offer.cpu, wanted.cpu) && enough(offer.memoryBytes, wanted.memoryBytes) &&
    enough(offer.storageBytes, wanted.storageBytes);
}

function word<T extends string>(
  facts: Readonly<Record<string, unknown>>,
  name: string,
  words: readonly T[],
): T | null {
  const value = Object.hasOwn(facts, name) ? facts[name] : undefined;
  return words.find((each) => each === value) ?? null;
}
