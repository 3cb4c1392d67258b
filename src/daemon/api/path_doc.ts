/**
 * The path to a peer, and when it was heard last, as people see them.
 *
 * @module
 */
import type { PathDoc } from "../../api/nouns/mesh.ts";
import type { PeerKey } from "../../base/mod.ts";
import type { Member } from "../../membership/mod.ts";
import type { NodeView } from "../../node/mod.ts";
import { hopOf } from "../../wire/mod.ts";
import { timestamp, timestampOrNull } from "../../host/time.ts";
import type { Clock } from "../ports.ts";

/** Inner packets of that size pass on every path. Source: the design, inside the tunnel. */
const PATH_MTU_BYTES = 1_280;

/** What is looked at. */
export interface Seen {
  readonly view: Pick<NodeView<Member>, "pathsOf" | "relayOf" | "heardAt">;
  readonly clock: Clock;
}

/** The path on which we send to a peer. */
export function pathDoc({ view, clock }: Seen, peer: PeerKey): PathDoc {
  const [active] = view.pathsOf(peer, clock.now());
  if (active === undefined) return NO_PATH;
  return {
    kind: active.relayed ? "relay" : "direct",
    address: hopOf(active.path),
    via: view.relayOf(active.path),
    transport: "udp",
    rtt_ms: active.rttMs === null ? null : Math.round(active.rttMs * 1_000) / 1_000,
    loss: active.loss,
    mtu: PATH_MTU_BYTES,
    since_at: timestamp(clock.wallMs() - active.provenForMs),
  };
}

/** When anything of a peer was heard last; `null` where never. */
export function lastSeenAt({ view, clock }: Seen, peer: PeerKey): string | null {
  const now = clock.now();
  const at = view.heardAt(peer, now);
  return timestampOrNull(at === null ? null : Math.round(clock.wallMs() - (now - at)));
}

/** No path at all. */
export const NO_PATH: PathDoc = {
  kind: "none",
  address: null,
  via: null,
  transport: null,
  rtt_ms: null,
  loss: null,
  mtu: null,
  since_at: null,
};
