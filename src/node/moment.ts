/**
 * The time at which something happens to the node, as its inner machines see a turn.
 *
 * @module
 */
import type { Instant } from "../base/mod.ts";

/** When something happens. */
export interface Moment {
  readonly now: Instant;
}
