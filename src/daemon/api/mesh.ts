/**
 * `mesh.*`: what this node knows of the mesh.
 *
 * @module
 */
import {
  MESH_PING,
  type MeshStatusResult,
  type NatDoc,
  type PeerDoc,
} from "../../api/nouns/mesh.ts";
import type { ApiTable } from "../../api/server.ts";
import { type PeerKey, peerKey, splitPeerKey, VERSION } from "../../base/mod.ts";
import { OWN_PID, processMemoryBytes } from "../../host/system.ts";
import { endpointDocs } from "./endpoint_doc.ts";
import { resolvePeer } from "../run/provider_market.ts";
import { knownPeers, type NodeParts, rolesOf } from "../run/node.ts";
import { networkDocs } from "./network_doc.ts";
import { lastSeenAt, pathDoc, type Seen } from "./path_doc.ts";
import { pingPeer } from "./pinging.ts";
import { NETWORK, NOTHING } from "../../api/nouns/common.ts";
import { later, type TableParts } from "./parts.ts";

/** All methods about the mesh. */
export function meshMethods(parts: TableParts): ApiTable {
  const { node } = parts;
  const { networks, context } = node;
  return {
    "mesh.status": { input: NOTHING, run: () => later(() => meshStatus(parts)) },
    "mesh.peers": {
      input: NETWORK,
      run: async ({ network }, { signal }) => {
        const only = network === null ? null : networks.require(network).row.id;
        const meant = networks.list().filter(({ row }) => only === null || row.id === only);
        await Promise.all(meant.map(({ row }) => context.records.refresh(row.id, { signal })));
        const peers = [...knownPeers(node)].map((peer) => peerDoc(node, peer));
        return { peers: peers.filter((peer) => only === null || peer.networks.includes(only)) };
      },
    },
    "mesh.ping": {
      input: MESH_PING,
      run: async (input, { signal, item }) => {
        const { row } = networks.require(input.network);
        const name = { network: row.id, name: input.peer };
        const peer = peerKey(row.id, await resolvePeer(context, networks, name));
        const { calls, holds, random } = context;
        await calls.reach(peer, { signal });
        const parts = { calls, holds, random, ...seenBy(node) };
        return await pingPeer(parts, { ...input, peer }, { signal, item });
      },
    },
  };
}

function meshStatus({ node, options, endpoints, alias }: TableParts): MeshStatusResult {
  const { context, networks } = node;
  const now = context.now();
  const { view } = context;
  const seen = seenBy(node);
  const connected = view.connected();
  const direct = connected.filter((peer) => pathDoc(seen, peer).kind === "direct").length;
  const homes = networks.list().flatMap(({ row }) => view.relays.connected(row.id));
  const nat = (family: "ipv4" | "ipv6"): NatDoc => ({
    filtering: "unknown",
    allocation: "unknown",
    ...view.judgeNat(family, now),
  });
  return {
    node: {
      id: context.identity.id,
      alias: alias(),
      version: VERSION,
      roles: rolesOf(options),
      port: context.net.port,
      uptime_s: Math.round((context.wallMs() - node.startedAtMs) / 1_000),
      pid: OWN_PID,
    },
    networks: networkDocs(networks),
    nat: { ipv4: nat("ipv4"), ipv6: nat("ipv6") },
    endpoints: endpointDocs(endpoints.own, view.observed(now), endpoints.advertised),
    peers: {
      known: knownPeers(node).size,
      connected: connected.length,
      direct,
      relayed: connected.length - direct,
    },
    relays: homes.map(({ peer }) => ({
      id: splitPeerKey(peer).node,
      rtt_ms: pathDoc(seen, peer).rtt_ms,
      role: "home",
    })),
    memory_bytes: processMemoryBytes(),
  };
}

/** How peers are looked at. */
function seenBy({ context }: NodeParts): Seen {
  return { view: context.view, clock: context };
}

function peerDoc(node: NodeParts, peer: PeerKey): PeerDoc {
  const { network, node: id } = splitPeerKey(peer);
  const record = node.context.records.of(peer);
  const member = node.context.views.member(peer);
  return {
    id,
    alias: record?.alias ?? member?.alias ?? null,
    roles: record?.roles ?? [],
    networks: [network],
    path: pathDoc(seenBy(node), peer),
    last_seen_at: lastSeenAt(seenBy(node), peer),
  };
}
