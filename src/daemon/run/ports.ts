/**
 * The ports of use cases, over the loop.
 *
 * @module
 */
import type { PeerKey } from "../../base/mod.ts";
import type { Context, Ground, LoopOfRooms } from "../context.ts";
import type { CallOptions } from "../ports.ts";
import { NodeCalls } from "./calls.ts";
import { NodeHolds } from "./holds.ts";
import type { Loop } from "./loop.ts";
import { NodeViews } from "./views.ts";

/** What use cases share, once the loop runs. */
export function openContext(
  ground: Ground,
  loop: Loop,
  parts: {
    reach(peer: PeerKey, options: CallOptions): Promise<PeerKey>;
    onDefect(error: unknown): void;
  },
): Context {
  const calls = new NodeCalls({ loop, ...parts });
  const holds = new NodeHolds((input) => loop.input(input));
  return {
    ...ground,
    calls,
    holds,
    demands: holds,
    views: new NodeViews(ground.identity.id, loop, (peer) => calls.nameOf(peer)),
    sessions: loop,
    loop: roomsLoop(loop, calls),
  };
}

/** What rooms take of the loop that have not moved to the ports yet. */
function roomsLoop(loop: Loop, calls: NodeCalls): LoopOfRooms {
  return {
    machine: loop.view,
    listen: (listener) => loop.listen(listener),
    input: (input) => loop.input(input),
    connect: (connect, options) => loop.connect(connect, options),
    serve: (name, handler) => calls.serve(name, handler),
    call: (peer, name, question, options) => calls.call(peer, name, question, options),
  };
}
