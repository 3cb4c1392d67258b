/**
 * `relay.*`: what this node forwards for others.
 *
 * @module
 */
import type { RelayStatusResult } from "../../api/nouns/relay.ts";
import { OmertaError } from "../../base/mod.ts";
import type { RelayStats } from "../../host/net/commands.ts";
import type { RelayView } from "../../node/mod.ts";

const NOTHING = { packets: 0, bytes: 0 };

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
    const { control = NOTHING, tunnel = NOTHING } = byId.get(session) ?? {};
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
