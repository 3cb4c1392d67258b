/**
 * `node.*`: who runs, and its end.
 *
 * @module
 */
import type { ApiTable } from "../../api/server.ts";
import { splitPeerKey } from "../../base/mod.ts";
import { OWN_PID } from "../../host/system.ts";
import { yieldRefusal } from "../../node/mod.ts";
import { nodeInfo } from "../run/node.ts";
import { NOTHING } from "../../api/nouns/common.ts";
import { NODE_YIELD } from "../../api/nouns/node.ts";
import { later, leaseEnd, type TableParts } from "./parts.ts";

/** All methods about the node itself. */
export function nodeMethods(
  { options, node, build, linger, end, yieldNode }: TableParts,
): ApiTable {
  const { mode, state } = options;
  return {
    "node.info": {
      input: NOTHING,
      isUse: false,
      run: () => later(() => nodeInfo(options, build)),
    },
    "node.yield": {
      input: NODE_YIELD,
      isUse: false,
      run: (asked) =>
        later(() => {
          const busy = linger.busy();
          const refusal = yieldRefusal({ mode, pid: OWN_PID, state, busy }, asked);
          if (refusal !== undefined) throw refusal;
          yieldNode();
          return { yielding: true as const };
        }),
    },
    "node.stop": {
      input: NOTHING,
      run: () =>
        later(() => {
          const living = node.provider?.living() ?? [];
          end();
          return {
            pid: OWN_PID,
            vms: living.map((vm) => ({
              id: vm.id,
              owner: splitPeerKey(vm.owner).node,
              lease_expires_at: leaseEnd(node, vm.deadline),
            })),
          };
        }),
    },
  };
}
