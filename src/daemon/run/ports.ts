/**
 * The ports of use cases, over the loop.
 *
 * @module
 */
import type { NetworkId } from "../../base/mod.ts";
import type { Context, Ground } from "./context.ts";
import { NodeCalls } from "./calls.ts";
import { NodeHolds } from "./holds.ts";
import type { Loop } from "./loop.ts";
import { NodeRecords } from "./records.ts";
import { Searches } from "./searches.ts";
import { NodeViews } from "./views.ts";

/** What use cases share, once the loop runs. */
export function openContext(
  ground: Ground,
  loop: Loop,
  { networkName, onDefect }: {
    networkName(network: NetworkId): string;
    onDefect(error: unknown): void;
  },
): { readonly context: Context; readonly searches: Searches } {
  const searches = new Searches({
    input: (input) => loop.input(input),
    nameOf: (peer) => calls.nameOf(peer),
    networkName,
  });
  loop.onFound((said) => searches.ended(said));
  const calls: NodeCalls = new NodeCalls({ loop, searches, onDefect });
  const holds = new NodeHolds((input) => loop.input(input));
  const context = {
    ...ground,
    calls,
    holds,
    views: new NodeViews(ground.identity.id, loop, (peer) => calls.nameOf(peer)),
    records: new NodeRecords(loop, searches),
    sessions: loop,
    view: loop.view,
  };
  return { context, searches };
}
