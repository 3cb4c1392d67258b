/**
 * The ports of lending, made of the running node.
 *
 * @module
 */
import type { Context } from "./context.ts";
import type { LendingPorts } from "../lending/ports.ts";

/** What a provider takes of its node. */
export function lendingPorts(context: Context): LendingPorts {
  const { calls, holds, log, net, random, store, timers, views } = context;
  return {
    calls,
    holds,
    views,
    clock: context,
    timers,
    tasks: context,
    rows: {
      list: (where) => store.hosted.list(where),
      put: (row) => store.hosted.put(row),
      delete: (key) => store.hosted.delete(key),
      prune: (endedBeforeMs) => void store.pruneHosted(endedBeforeMs),
      together: (act) => store.transaction(act),
    },
    ends: {
      open: (plan) => net.attach(plan),
      close: (tunnel) => net.command("tunnel.close", { tunnel }),
    },
    random,
    log,
  };
}
