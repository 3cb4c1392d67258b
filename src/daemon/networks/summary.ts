/**
 * What there is to say of a network, whoever asks.
 *
 * @module
 */
import type { NetworkId, NodeId } from "../../base/mod.ts";
import type { NetworkRow } from "../../host/store/mod.ts";
import type { Grant } from "../../membership/mod.ts";
import type { Joined } from "./joined.ts";

/** A network in short. */
export interface NetworkSummary {
  readonly id: NetworkId;
  readonly name: string;
  readonly epoch: number;
  /** False where its membership does not hold. */
  readonly isEnabled: boolean;
  /** Members that are known here, this node included. */
  readonly members: number;
  /** This node's own. */
  readonly grants: readonly Grant[];
}

/** A network of this node; `known`: of whom there is a record. */
export function summaryOf(
  { row: { id, name, epoch, enabled }, certificate, admitter }: Joined,
  { self, known }: { readonly self: NodeId; readonly known: readonly { readonly id: NodeId }[] },
): NetworkSummary {
  // Ourselves, whom we admitted, and of whom there is a record.
  const admitted = admitter?.members;
  const others = known.filter((each) => each.id !== self && admitted?.get(each.id) === undefined);
  const ourselves = admitted?.get(self) === undefined ? 1 : 0;
  const members = ourselves + (admitted?.size ?? 0) + others.length;
  return { id, name, epoch, isEnabled: enabled, members, grants: certificate.grants };
}

/** A network whose membership does not hold. */
export function summaryOfUnsound({ id, name, epoch }: NetworkRow): NetworkSummary {
  return { id, name, epoch, isEnabled: false, members: 0, grants: [] };
}
