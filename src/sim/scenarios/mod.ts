/**
 * The table of all scenarios.
 *
 * @module
 */
import type { Scenario } from "../scenario.ts";
import { directLan } from "./lan.ts";

/** All scenarios, in the order in which they are listed. */
export const SCENARIOS: readonly Scenario[] = [directLan];
