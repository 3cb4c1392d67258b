/**
 * `mesh.*` and `relay.status`: what the mesh does.
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
import { endpointDocs } from "../run/endpoints.ts";
import { resolvePeer } from "../run/provider_market.ts";
import { knownPeers, type NodeParts } from "../run/node.ts";
import { networkDocs } from "./network_docs.ts";
import { pingPeer } from "../mesh/pinging.ts";
import { timestampOrNull } from "../../host/time.ts";
import { NETWORK, NOTHING } from "../../api/nouns/common.ts";
import { later, type TableParts } from "./parts.ts";
import { relayStatus } from "./relay.ts";

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
        await Promise.all(meant.map(({ row }) => node.relays.refresh(row.id, signal)));
        const peers = [...knownPeers(node)].map((peer) => peerDoc(node, peer as PeerKey));
        return { peers: peers.filter((peer) => only === null || peer.networks.includes(only)) };
      },
    },
    "mesh.ping": {
      input: MESH_PING,
      run: async (input, { signal, item }) => {
        const { row } = networks.require(input.network);
        const name = { network: row.id, name: input.peer };
        const peer = peerKey(row.id, await resolvePeer(context, node, name));
        await node.reach.peer(peer, { signal });
        return await pingPeer(context, node.peers, { ...input, peer }, { signal, item });
      },
    },
    "relay.status": {
      input: NOTHING,
      run: () =>
        later(() => {
          const { loop, net } = context;
          return relayStatus(loop.machine.relays, () => net.command("relay.stats", {}));
        }),
    },
  };
}

function meshStatus({ node, standing, alias }: TableParts): MeshStatusResult {
  const { context, peers, relays, networks } = node;
  const now = context.now();
  const { machine } = context.loop;
  const connected = peers.connected();
  const direct = connected.filter((peer) => peers.pathTo(peer).kind === "direct").length;
  const homes = networks.list().flatMap(({ row }) => relays.connected(row.id));
  const nat = (family: "ipv4" | "ipv6"): NatDoc => ({
    filtering: "unknown",
    allocation: "unknown",
    ...machine.judgeNat(family, now),
  });
  return {
    node: {
      id: context.identity.id,
      alias: alias(),
      version: VERSION,
      roles: standing.roles,
      port: context.net.port,
      uptime_s: Math.round((context.wallMs() - standing.startedAtMs) / 1_000),
      pid: OWN_PID,
    },
    networks: networkDocs(networks),
    nat: { ipv4: nat("ipv4"), ipv6: nat("ipv6") },
    endpoints: endpointDocs(standing.own, machine.observed(now), standing.advertised),
    peers: {
      known: knownPeers(node).size,
      connected: connected.length,
      direct,
      relayed: connected.length - direct,
    },
    relays: homes.map((peer) => ({
      id: splitPeerKey(peer).node,
      rtt_ms: peers.pathTo(peer).rtt_ms,
      role: "home",
    })),
    memory_bytes: processMemoryBytes(),
  };
}

function peerDoc({ networks, peers, context }: NodeParts, peer: PeerKey): PeerDoc {
  const { network, node } = splitPeerKey(peer);
  const record = networks.get(network)?.records.get(node, context.wallMs());
  const member = peers.member(peer);
  const seenAtMs = peers.lastSeenAtMs(peer);
  return {
    id: node,
    alias: record?.alias ?? member?.alias ?? null,
    roles: record?.roles ?? [],
    networks: [network],
    path: peers.pathTo(peer),
    last_seen_at: timestampOrNull(seenAtMs === null ? null : Math.round(seenAtMs)),
  };
}
