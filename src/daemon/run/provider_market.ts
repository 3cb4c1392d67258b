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
import {
  type NameReason,
  type NodeRecord,
  resolveName,
  thingsNamed,
} from "../../membership/mod.ts";
import type { Context } from "./context.ts";
import { noRelay } from "./reach_errors.ts";
import type { Networks } from "../networks/networks.ts";
import type { Views } from "../ports.ts";
import type { Market } from "../renting/ports.ts";
import { noProvider } from "../renting/renting_errors.ts";

/** How long a name is looked for at the relays. Guess. */
const RESOLVE_MS = 5_000;
/** Peers that an error names. */
const CANDIDATES_MAX = 4;

/** The lookups of a running node. */
export function openMarket(context: Context, networks: Networks): Market {
  const { records, views, calls } = context;
  const providers = async (network: NetworkId, signal: AbortSignal) => {
    const isOfTime = await records.refresh(network, { signal });
    const { name } = networks.require(network).row;
    const all = records.list(network, "provider");
    const others = all.filter(({ id }) => id !== views.self);
    if (others.length > 0) return others.map((record) => found(views, network, record));
    if (all.length > 0) throw noProvider(name, "only-self");
    if (records.isCutOff(network)) throw noRelay(name);
    throw noProvider(name, isOfTime ? "other-times" : "nobody");
  };
  return {
    network: (name) => networks.require(name).row.id,
    providers,
    resolve: (network, name) => resolvePeer(context, networks, { network, name }),
    nameOf(peer) {
      const short = splitPeerKey(peer).node.slice(0, 8);
      const alias = records.of(peer)?.alias ?? null;
      return alias === null ? short : `${alias} (${short})`;
    },
    meet: (network, at, signal) => calls.meet(network, at, { signal }),
    networkName: (network) => networks.get(network)?.row.name ?? network,
    async bootstrap(network, at) {
      const { node: id } = splitPeerKey(await calls.meet(network, at));
      networks.addEntry(networks.require(network), { id, addresses: [at.address] });
    },
  };
}

function found(
  views: Views,
  network: NetworkId,
  { id, capabilities }: NodeRecord,
): FoundProvider {
  return { node: id, offer: offerOf(capabilities), rttMs: views.rttMs(peerKey(network, id)) };
}

/**
 * The node that a name means. At its first use it is pinned, an alias as well as the beginning of an id,
 * and never moves.
 *
 * @throws {OmertaError} `not-found`, `ambiguous`.
 */
export async function resolvePeer(
  context: Pick<Context, "records" | "store" | "wallMs">,
  networks: Networks,
  { network, name }: { readonly network: NetworkId; readonly name: string },
): Promise<NodeId> {
  const joined = networks.require(network);
  const pinned = context.store.pins.get({ network, name })?.node;
  const { records } = context;
  const look = () =>
    resolveName(name, records.list(network), pinned === undefined ? {} : { pinned });
  let found = look();
  if (!found.ok && found.reason === "not-found") {
    await records.refresh(network, { timeoutMs: RESOLVE_MS });
    found = look();
  }
  // A whole id needs no record: who came a moment ago has told its relay, not yet us.
  if (!found.ok && isId(name)) return name as NodeId;
  if (!found.ok) {
    throw unresolved(joined.row.name, { name, reason: found.reason, among: records.list(network) });
  }
  const { id } = found.value;
  if (id !== name && pinned === undefined) {
    context.store.pins.put({ network, name, node: id, pinnedAtMs: context.wallMs() });
  }
  return id;
}

function unresolved(
  network: string,
  { name, reason, among }: {
    readonly name: string;
    readonly reason: NameReason;
    readonly among: readonly NodeRecord[];
  },
): OmertaError {
  if (reason === "not-found") {
    return new OmertaError(reason, `No peer ${JSON.stringify(name)} is known in ${network}`, {
      hint: "See 'omerta mesh peers'. The beginning of an id has 8 characters at least.",
    });
  }
  const ids = thingsNamed(name, among).map(({ id }) => id as string);
  const shown = ids.slice(0, CANDIDATES_MAX).join(", ");
  return new OmertaError(reason, `${ids.length} peers are meant by ${JSON.stringify(name)}`, {
    hint: `Give the whole id of one: ${shown}${ids.length > CANDIDATES_MAX ? ", …" : ""}.`,
    fields: { candidates: ids.slice(0, CANDIDATES_MAX) },
  });
}
