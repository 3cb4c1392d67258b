/**
 * Who of the connected members may not stay: a certificate ends, its subject is removed, a network left.
 *
 * @module
 */
import type { NetworkId, PeerKey } from "../../base/mod.ts";
import { type IsRevoked, reasonToLeave } from "../../membership/mod.ts";
import type { Log } from "../../host/log.ts";
import type { Clock, Sessions, Views } from "../ports.ts";

/** On what members are judged. */
export interface JudgingParts {
  readonly views: Pick<Views, "connected" | "member">;
  readonly sessions: Pick<Sessions, "disconnect">;
  readonly clock: Pick<Clock, "wallMs">;
  readonly log: Log;
  /** Who was removed from a network; `undefined`: it is not ours. */
  revocationsOf(network: NetworkId): IsRevoked | undefined;
}

/** Ends the sessions of members whose certificate holds no longer. */
export function endSessions(parts: JudgingParts): void {
  for (const peer of parts.views.connected()) {
    const why = reasonOf(parts, peer);
    if (why === undefined) continue;
    parts.log.warn("a member's certificate holds no longer", { peer, why });
    parts.sessions.disconnect(peer, "epoch");
  }
}

function reasonOf(
  { views, clock, revocationsOf }: JudgingParts,
  peer: PeerKey,
): string | undefined {
  const member = views.member(peer);
  if (member === undefined) return undefined;
  const isRevoked = revocationsOf(member.network);
  if (isRevoked === undefined) return "network-left";
  return reasonToLeave(member, { nowMs: clock.wallMs(), isRevoked });
}
