/**
 * Whom the node lets in, and for how long: the machine knows the keys of every network, and sessions end
 * where a certificate does.
 *
 * @module
 */
import type { NetworkId } from "../../base/mod.ts";
import { watchClock } from "../../host/system.ts";
import type { Context, LoopOfRooms } from "../context.ts";
import type { Peers } from "../mesh/peers.ts";
import type { Networks } from "../networks/networks.ts";

/** How often certificates of connected members are judged again. Source: requirement S02 (60 s). */
const JUDGE_MS = 30_000;

/**
 * Tells the node machine now, and at every change, by which keys members and joiners may come; and from
 * when the returned function is called, where networks are entered.
 */
export function tellNetworks(loop: Pick<LoopOfRooms, "input">, networks: Networks): () => void {
  let isEntered = false;
  let known = new Set<NetworkId>();
  const tell = () => {
    const [keys, refused] = [networks.acceptedKeys(), networks.refusedKeys()];
    loop.input({ type: "keys", keys, refused });
    const joined = networks.list();
    for (const each of joined) {
      const [key, payload] = [networks.key(each), networks.shown(each)];
      const entries = isEntered ? networks.entries(each) : [];
      loop.input({ type: "network", network: each.row.id, key, payload, entries });
    }
    const now = new Set(joined.map(({ row }) => row.id));
    for (const network of known.difference(now)) loop.input({ type: "network-gone", network });
    known = now;
  };
  networks.onChange(tell);
  tell();
  return () => {
    isEntered = true;
    tell();
  };
}

/** Judges all certificates again and again; what is returned ends that. */
export function judgeMembers(context: Context, peers: Peers, networks: Networks): () => void {
  const stepMs = watchClock();
  const timer = setInterval(() => {
    const byMs = stepMs();
    if (byMs !== 0) {
      context.log.warn("this machine's clock was set", { by_s: Math.round(byMs / 1_000) });
    }
    networks.refresh();
    endSessions(context, peers, networks);
  }, JUDGE_MS);
  return () => clearInterval(timer);
}

/** Ends the sessions of members whose certificate holds no longer. */
function endSessions(context: Context, peers: Peers, networks: Networks): void {
  for (const peer of peers.connected()) {
    const why = peers.reasonToLeave(peer, networks);
    if (why === undefined) continue;
    context.log.warn("a member's certificate holds no longer", { peer, why });
    context.sessions.disconnect(peer, "epoch");
  }
}
