/**
 * What the room of networks stands on: its tables, this node's id, chance, both clocks and the log.
 *
 * @module
 */
import type { NodeId, Random } from "../../base/mod.ts";
import type { Log } from "../../host/log.ts";
import type { Store } from "../../host/store/mod.ts";
import type { Clock, Records } from "../ports.ts";

/** What networks need of the running node. */
export interface NetworksParts extends Clock {
  readonly store: Pick<
    Store,
    "networks" | "invites" | "redemptions" | "members" | "revocations" | "transaction"
  >;
  readonly identity: { readonly id: NodeId };
  readonly records: Pick<Records, "list">;
  readonly random: Random;
  readonly log: Pick<Log, "info" | "warn">;
}
