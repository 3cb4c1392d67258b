/**
 * `relay.*`: what this node forwards for others.
 *
 * @module
 */
import { NOTHING } from "../../api/nouns/common.ts";
import type { RelayStatusResult } from "../../api/nouns/relay.ts";
import type { ApiTable } from "../../api/server.ts";
import { OmertaError } from "../../base/mod.ts";
import type { RelayStats } from "../../host/net/commands.ts";
import type { RelayView } from "../../node/mod.ts";
import { later, type TableParts } from "./parts.ts";

const NO_TRAFFIC = { packets: 0, bytes: 0 };

/** All methods about relaying. */
export function relayMethods({ node: { context: { view, net } } }: TableParts): ApiTable {
  return {
    "relay.status": {
      input: NOTHING,
      run: () => later(() => relayStatus(view.relays, () => net.command("relay.stats", {}))),
    },
  };
}

/**
 * What a relay forwards, and between whom.
 *
 * @param stats What the data path counts.
 * @throws {OmertaError} `no-node` where this node is no relay.
 */
export function relayStatus(
  relay: Pick<RelayView, "limits" | "pairs">,
  stats: () => RelayStats,
): RelayStatusResult {
  const limits = relay.limits();
  if (limits === undefined) {
    throw new OmertaError("no-node", "The node of this state is no relay", {
      hint: "Start one with 'omerta relay'.",
    });
  }
  const { sessions, total, dropped } = stats();
  const byId = new Map(sessions.map((session) => [session.session, session]));
  const pairs = relay.pairs().map(({ session, a, b }) => {
    const { control = NO_TRAFFIC, tunnel = NO_TRAFFIC } = byId.get(session) ?? {};
    return { a, b, control, tunnel };
  });
  return {
    sessions: pairs.length,
    limits: {
      sessions: limits.sessions,
      bytes_per_s: limits.bytesPerS,
      session_bytes_per_s: limits.sessionBytesPerS,
    },
    forwarded: total,
    dropped,
    pairs,
  };
}
