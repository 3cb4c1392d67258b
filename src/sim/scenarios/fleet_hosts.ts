/**
 * Renters and providers on the internet: who they are, what is lent and what is asked for.
 *
 * @module
 */
import type { Policy, Requirements } from "../../market/mod.ts";
import type { HostPlan } from "../scenario.ts";
import { publicIp } from "./places.ts";

const MIB = 2 ** 20;

/** What is asked for. */
export const WANTED: Requirements = {
  cpu: 1,
  memoryBytes: 512 * MIB,
  storageBytes: 0,
  image: "micro",
  leaseMs: 30_000,
};

/** What each provider lends: room for two VMs, whoever asks. */
export const LENT: Policy = {
  maxVms: 2,
  cpu: 8,
  memoryBytes: 4_096 * MIB,
  overheadBytes: 0,
  storageBytes: 0,
  leaseMsMax: WANTED.leaseMs,
  lifeMsMax: 600_000,
  allow: null,
  startingPerOwnerMax: 2,
  livingPerOwnerMax: 3,
  accepting: true,
};

/** The hosts of a fleet on the internet: half of them rent, half of them lend. */
export function fleetHosts(nodes: number): HostPlan[] {
  return Array.from({ length: nodes }, (_, n) => {
    const places = [{ ip: publicIp(n + 1) }];
    return n % 2 === 0
      ? { name: renterName(n / 2), places, rents: true }
      : { name: providerName((n - 1) / 2), places, lends: LENT };
  });
}

/** The `n`th renter's name. */
export function renterName(n: number): string {
  return `renter ${n}`;
}

/** The `n`th provider's name. */
export function providerName(n: number): string {
  return `provider ${n}`;
}
