/**
 * The table of all scenarios.
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";
import { manyNodes, partitionAndHeal, storm } from "./crowds.ts";
import { fleet } from "./fleet.ts";
import { hostileOffers } from "./hostile.ts";
import { directLan } from "./lan.ts";
import { everyNatPair } from "./matrix.ts";
import {
  dualStack,
  lossySatellite,
  natReboot,
  relayedPair,
  relayRestart,
  roamingLaptop,
} from "./pairs.ts";

/** All scenarios, in the order in which they are listed. */
export const SCENARIOS: readonly Scenario[] = [
  directLan,
  dualStack,
  relayedPair,
  everyNatPair,
  natReboot,
  relayRestart,
  partitionAndHeal,
  lossySatellite,
  roamingLaptop,
  manyNodes,
  storm,
  hostileOffers,
  fleet,
];
