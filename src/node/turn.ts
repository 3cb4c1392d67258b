/**
 * One input's turn of the node.
 *
 * @module
 */
import type { Instant, PeerKey } from "../base/mod.ts";
import type { Moment } from "./moment.ts";
import type { NodeOut } from "./types.ts";

/** The time, what comes out, and the peers whose last path ended in this turn. */
export class Turn<Member> implements Moment {
  readonly lost = new Set<PeerKey>();
  constructor(readonly now: Instant, readonly out: NodeOut<Member>[]) {}
}
