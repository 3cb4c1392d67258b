/**
 * What a request looks up in its network: providers with their offers, peers by name.
 *
 * @module
 */
import {
  isId,
  type NetworkId,
  type NodeId,
  OmertaError,
  peerKey,
  splitPeerKey,
} from "../../base/mod.ts";
import { type FoundProvider, offerOf } from "../../market/mod.ts";
import { type NameReason, type NodeRecord, thingsNamed } from "../../membership/mod.ts";
import type { Context } from "../context.ts";
import { noRelay } from "../networks/network_errors.ts";
import type { Joined } from "../networks/joined.ts";
import type { Networks } from "../networks/networks.ts";
import type { Peers } from "../mesh/peers.ts";
import type { Relays } from "../mesh/relays.ts";
import type { Reach } from "../mesh/reach.ts";
import type { Market } from "../renting/ports.ts";
import { noProvider } from "../renting/renting_errors.ts";

/** How long a name is looked for at the relays. Guess. */
const RESOLVE_MS = 5_000;
/** Peers that an error names. */
const CANDIDATES_MAX = 4;

/** The lookups of a running node. */
export function openMarket(
  context: Context,
  parts: {
    readonly networks: Networks;
    readonly peers: Peers;
    readonly relays: Relays;
    readonly reach: Pick<Reach, "address">;
  },
): Market {
  const { networks, peers, relays, reach } = parts;
  const providers = async (network: NetworkId, signal: AbortSignal) => {
    await relays.refresh(network, signal);
    const joined = networks.require(network);
    const records = joined.records.withRole("provider", context.wallMs());
    const others = records.filter(({ id }) => id !== context.identity.id);
    if (others.length > 0) return others.map((record) => found(peers, network, record));
    if (records.length > 0) throw noProvider(joined.row.name, "only-self");
    if (relays.isCutOff(network)) throw noRelay(joined.row.name);
    const isOfTime = relays.tellsOfOtherTimes(network);
    throw noProvider(joined.row.name, isOfTime ? "other-times" : "nobody");
  };
  return {
    network: (name) => networks.require(name).row.id,
    providers,
    resolve: (network, name) => resolvePeer(context, parts, { network, name }),
    nameOf(peer) {
      const { network, node } = splitPeerKey(peer);
      const alias = networks.get(network)?.records.get(node, context.wallMs())?.alias ?? null;
      return alias === null ? node.slice(0, 8) : `${alias} (${node.slice(0, 8)})`;
    },
    meet: (network, at, signal) => reach.address(network, at, { signal }),
    networkName: (network) => networks.get(network)?.row.name ?? network,
    async bootstrap(network, { id, address }) {
      const joined = networks.require(network);
      const connected = await relays.connectTo(joined, {
        id: id as NodeId | null,
        addresses: [address],
        named: "person",
      });
      networks.addEntry(joined, {
        id: connected.split("/")[1] as NodeId,
        addresses: [address],
      });
    },
  };
}

function found(peers: Peers, network: NetworkId, { id, capabilities }: NodeRecord): FoundProvider {
  const rttMs = peers.pathTo(peerKey(network, id)).rtt_ms;
  return { node: id, offer: offerOf(capabilities), rttMs };
}

/**
 * The node that a name means. At its first use it is pinned, an alias as well as the beginning of an id,
 * and never moves.
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
  if (!found.ok) throw unresolved(joined, name, { reason: found.reason, nowMs: context.wallMs() });
  const { id } = found.value;
  if (id !== name && pinned === undefined) {
    context.store.pins.put({ network, name, node: id, pinnedAtMs: context.wallMs() });
  }
  return id;
}

function unresolved(
  { row, records }: Joined,
  name: string,
  { reason, nowMs }: { readonly reason: NameReason; readonly nowMs: number },
): OmertaError {
  if (reason === "not-found") {
    return new OmertaError(reason, `No peer ${JSON.stringify(name)} is known in ${row.name}`, {
      hint: "See 'omerta mesh peers'. The beginning of an id has 8 characters at least.",
    });
  }
  const ids = thingsNamed(name, records.list(nowMs)).map(({ id }) => id as string);
  const shown = ids.slice(0, CANDIDATES_MAX).join(", ");
  return new OmertaError(reason, `${ids.length} peers are meant by ${JSON.stringify(name)}`, {
    hint: `Give the whole id of one: ${shown}${ids.length > CANDIDATES_MAX ? ", …" : ""}.`,
    fields: { candidates: ids.slice(0, CANDIDATES_MAX) },
  });
}
