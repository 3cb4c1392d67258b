/**
 * What a request looks up in its network: providers with their offers, peers by name.
 *
 * @module
 */
import { isId, type NetworkId, type NodeId, OmertaError, peerKey } from "../base/mod.ts";
import { offerOf } from "../market/mod.ts";
import type { Context } from "./context.ts";
import { noRelay } from "./network_errors.ts";
import type { Networks } from "./networks.ts";
import type { Peers } from "./peers.ts";
import type { Relays } from "./relays.ts";
import type { RentingParts } from "./renting.ts";

/** How long a name is looked for at the relays. Guess. */
const RESOLVE_MS = 5_000;

/** The lookups of a running node. */
export function openMarket(
  context: Context,
  parts: { readonly networks: Networks; readonly peers: Peers; readonly relays: Relays },
): RentingParts["market"] {
  const { networks, peers, relays } = parts;
  const providers = async (network: NetworkId, signal: AbortSignal) => {
    await relays.refresh(network, signal);
    const joined = networks.get(network);
    const records = joined?.records.withRole("provider", context.wallMs()) ?? [];
    if (records.length === 0 && relays.isCutOff(network)) {
      throw noRelay(joined?.row.name ?? network);
    }
    return records.filter(({ id }) => id !== context.identity.id).map(({ id, capabilities }) => ({
      node: id,
      offer: offerOf(capabilities),
      rttMs: peers.pathTo(peerKey(network, id)).rtt_ms,
    }));
  };
  return {
    network: (name) => networks.require(name).row.id,
    providers,
    resolve: (network, name) => resolvePeer(context, parts, { network, name }),
    mayProvide: (peer) => peers.holds(peer, "provide"),
    async bootstrap(network, { id, address }) {
      const joined = networks.require(network);
      const connected = await relays.connectTo(joined, {
        id: id as NodeId | null,
        addresses: [address],
      });
      await relays.enter(joined, {
        id: connected.split("/")[1] as NodeId,
        addresses: [address],
      });
    },
  };
}

/**
 * The node that a name means; an alias is pinned at its first use and never moves.
 *
 * @throws {OmertaError} `not-found`, `ambiguous`.
 */
export async function resolvePeer(
  context: Context,
  { networks, relays }: { readonly networks: Networks; readonly relays: Relays },
  { network, name }: { readonly network: NetworkId; readonly name: string },
): Promise<NodeId> {
  const joined = networks.require(network);
  const pinned = context.store.pins.get({ network, name })?.node;
  const look = () => joined.records.resolve(name, context.wallMs(), pinned);
  let found = look();
  if (!found.ok && found.reason === "not-found") {
    await relays.refresh(network, AbortSignal.timeout(RESOLVE_MS));
    found = look();
  }
  // A whole id needs no record: who came a moment ago has told its relay, not yet us.
  if (!found.ok && isId(name)) return name as NodeId;
  if (!found.ok) {
    const message = found.reason === "ambiguous"
      ? `More than one peer begins with ${name}`
      : `No peer ${JSON.stringify(name)} is known in ${joined.row.name}`;
    throw new OmertaError(found.reason, message, { hint: "See `omerta mesh peers`." });
  }
  const { id, alias } = found.value;
  if (alias === name) {
    const pinnedAtMs = context.wallMs();
    context.store.pins.put({ network, name, node: id, pinnedAtMs });
  }
  return id;
}
