/**
 * What the tests of the market share: sample owners, requirements, policies.
 *
 * @module
 */
import type { Instant, NodeId, PeerKey } from "../../src/base/mod.ts";
import type { Policy, Requirements, ReserveRequest } from "../../src/market/mod.ts";

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

/** A well-formed node id that is distinct for each letter. */
export function owner(letter: string): NodeId {
  return `${letter.repeat(51)}a` as NodeId;
}

/** A member of the network that all samples share, distinct for each letter. */
export function member(letter: string, network = "n"): PeerKey {
  return `${owner(network)}/${owner(letter)}` as PeerKey;
}

export const at = (ms: number): Instant => ms as Instant;

export const small: Requirements = {
  cpu: 1,
  memoryBytes: 512 * MIB,
  storageBytes: 0,
  image: "micro",
  leaseMs: 60_000,
};

export const policy: Policy = {
  maxVms: 4,
  cpu: 4,
  memoryBytes: 4 * GIB,
  overheadBytes: 0,
  storageBytes: 8 * GIB,
  leaseMsMax: 3_600_000,
  lifeMsMax: 7_200_000,
  allow: null,
  startingPerOwnerMax: 1,
  livingPerOwnerMax: 2,
  accepting: true,
};

export function request(changes: Partial<ReserveRequest> = {}): ReserveRequest {
  return { owner: member("b"), key: null, requirements: small, dryRun: false, ...changes };
}
