/**
 * Serves the local API until the node ends.
 *
 * @module
 */
import { createApi } from "../../api/server.ts";
import { OmertaError } from "../../base/mod.ts";
import { serveUnix } from "../../host/process/unix_server.ts";
import { apiTable } from "../api/mod.ts";
import type { TableParts } from "../api/parts.ts";
import type { OnDefect } from "./ending.ts";
import type { Lingering } from "./lingering.ts";

/** What is served, and how it ends. */
export interface ServingParts
  extends Pick<TableParts, "options" | "node" | "endpoints" | "build" | "alias"> {
  readonly socket: string;
  readonly linger: Lingering;
  /** The node is to end. */
  onEnd(): void;
  readonly onDefect: OnDefect;
}

/** Serves from now on. What is returned refuses new calls, says farewell to the peers and ends. */
export function serveApi(parts: ServingParts): () => Promise<void> {
  const { options: { signal }, node: { context }, linger } = parts;
  let isYielding = false;
  // In a turn of its own, so that the answer to whoever asked for it is out before.
  const end = () => void setTimeout(parts.onEnd, 0);
  const table = apiTable({
    ...parts,
    end,
    yieldNode: () => {
      isYielding = true;
      end();
    },
    hold: (name, open) => linger.step({ type: "hold", name, open }),
    expect: (ms) => linger.step({ type: "expect", ms }),
  });
  const api = createApi(table, {
    onDefect: (method, error) => parts.onDefect(error, method),
    onCalls: (running) => linger.step({ type: "calls", running }),
  });
  const server = serveUnix(parts.socket, (request) => api.fetch(request));
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  return async () => {
    api.refuse();
    if (isYielding) await api.drained(); // the calls that run are finished before
    api.abort(new OmertaError("no-node", "The node is ending"));
    // So that the peers need not find out.
    for (const peer of context.views.connected()) context.sessions.disconnect(peer, "epoch");
    await server.close();
  };
}
