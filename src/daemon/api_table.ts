/**
 * The methods of the local API, each a few lines: what it takes is in `schemas.ts`, what it does in
 * the part that knows how.
 *
 * @module
 */
import type {
  ErrorDoc,
  MeshStatusResult,
  NatDoc,
  PeerDoc,
  ProviderEvictResult,
  ProviderStatusResult,
  RunNodeOptions,
} from "../api/methods.ts";
import type { ApiTable } from "../api/server.ts";
import {
  type Instant,
  OmertaError,
  type PeerKey,
  peerKey,
  randomUint32,
  splitPeerKey,
  VERSION,
  type VmId,
} from "../base/mod.ts";
import { processMemoryBytes } from "../host/system.ts";
import { resolveName } from "../membership/mod.ts";
import { joinNetwork } from "./joining.ts";
import { resolvePeer } from "./market.ts";
import { endpointDocs } from "./endpoints.ts";
import {
  knownPeers,
  makeInvite,
  networkDocs,
  nodeInfo,
  type NodeParts,
  type Standing,
} from "./node.ts";
import { pingPeer } from "./pinging.ts";
import { timestamp, timestampOrNull } from "./rental.ts";
import * as schemas from "./schemas.ts";
import { formatAddress } from "../wire/mod.ts";
import { type LingerMachine, yieldRefusal } from "./linger.ts";

/** What the table needs besides the node's parts. */
export interface TableParts {
  readonly options: RunNodeOptions;
  readonly node: NodeParts;
  readonly standing: Standing;
  readonly build: string;
  readonly alias: () => string | null;
  readonly linger: LingerMachine;
  /** Ends the node once the answer is out. */
  end(): void;
  /** The same, once every call is answered. */
  yieldNode(): void;
  /** Tells that `open` streams hang on what `name` names: the node must not give way. */
  hold(name: string, open: number): void;
}

/** The default life of an invite that is made with a network. */
const INVITE_MS = 86_400_000;

/** All methods that this node serves. */
export function apiTable(parts: TableParts): ApiTable {
  return {
    ...networkMethods(parts),
    ...meshMethods(parts),
    ...lendingMethods(parts),
    ...rentingMethods(parts),
    ...streamMethods(parts),
    ...nodeMethods(parts),
  };
}

function networkMethods({ node, standing, alias }: TableParts): ApiTable {
  const { networks, context } = node;
  const invite = makeInvite;
  return {
    "network.create": {
      input: schemas.NETWORK_CREATE,
      run: ({ name }) => {
        const joined = networks.create(name);
        const order = { grants: ["rent", "provide"] as const, uses: null, lifeMs: INVITE_MS };
        const made = orUnreachable(() => invite(networks, standing, joined, order));
        return Promise.resolve({
          network: networks.document(joined),
          invite: made?.text ?? null,
          invite_id: made?.row.id ?? null,
          expires_at: timestampOrNull(made?.row.expiresAtMs ?? null),
          lan_only: made?.lanOnly ?? false,
        });
      },
    },
    "network.join": {
      input: schemas.NETWORK_JOIN,
      run: async (input, { signal, progress }) => {
        progress("asking the admitter of the invite");
        const parts = { context, networks, alias };
        const { joined, isNew } = await joinNetwork(parts, input.invite, signal);
        return { network: networks.document(joined), joined: isNew };
      },
    },
    "network.list": {
      input: schemas.NOTHING,
      run: () => Promise.resolve({ networks: networkDocs(networks) }),
    },
    "network.show": {
      input: schemas.NETWORK,
      run: ({ network }) => later(() => ({ network: networks.details(networks.require(network)) })),
    },
    "network.leave": {
      input: schemas.NETWORK,
      run: ({ network }) =>
        later(() => {
          const joined = networks.require(network);
          const document = networks.document(joined);
          for (const peer of node.peers.connected()) {
            if (splitPeerKey(peer).network !== joined.row.id) continue;
            context.loop.input({ type: "disconnect", peer, kind: "epoch" });
          }
          networks.leave(joined);
          return { network: document };
        }),
    },
    "network.invite": {
      input: schemas.NETWORK_INVITE,
      run: ({ network, grants, uses, expiresMs }) =>
        later(() => {
          const joined = networks.require(network);
          const order = { grants, uses, lifeMs: expiresMs };
          const { text, row, lanOnly } = invite(networks, standing, joined, order);
          return {
            network: networks.document(joined),
            invite: text,
            invite_id: row.id,
            expires_at: timestamp(row.expiresAtMs),
            lan_only: lanOnly,
          };
        }),
    },
    "network.invites": {
      input: schemas.NETWORK,
      run: ({ network }) =>
        later(() => {
          const joined = networks.require(network);
          return { network: networks.document(joined), invites: networks.invites(joined) };
        }),
    },
    "network.revoke": {
      input: schemas.NETWORK_REVOKE,
      run: ({ network, target }) =>
        later(() => {
          const joined = networks.require(network);
          const id = networks.revokeInvite(joined, target);
          return { network: networks.document(joined), revoked: { kind: "invite", id } };
        }),
    },
    "network.export": {
      input: schemas.NETWORK,
      run: ({ network }) =>
        later(() => {
          const joined = networks.require(network);
          return { network: networks.document(joined), export: networks.export(joined) };
        }),
    },
    "network.import": {
      input: schemas.NETWORK_IMPORT,
      run: (input) => later(() => ({ network: networks.document(networks.import(input.export)) })),
    },
  };
}

function meshMethods(parts: TableParts): ApiTable {
  const { node } = parts;
  const { networks, context } = node;
  return {
    "mesh.status": { input: schemas.NOTHING, run: () => later(() => meshStatus(parts)) },
    "mesh.peers": {
      input: schemas.NETWORK,
      run: async ({ network }, { signal }) => {
        const only = network === null ? null : networks.require(network).row.id;
        const meant = networks.list().filter(({ row }) => only === null || row.id === only);
        await Promise.all(meant.map(({ row }) => node.relays.refresh(row.id, signal)));
        const peers = [...knownPeers(node)].map((peer) => peerDoc(node, peer as PeerKey));
        return { peers: peers.filter((peer) => only === null || peer.networks.includes(only)) };
      },
    },
    "mesh.ping": {
      input: schemas.MESH_PING,
      run: async (input, { signal, item }) => {
        const { row } = networks.require(input.network);
        const name = { network: row.id, name: input.peer };
        const peer = peerKey(row.id, await resolvePeer(context, node, name));
        await node.reach.peer(peer, { signal });
        return await pingPeer(context, node.peers, { ...input, peer }, { signal, item });
      },
    },
    "relay.status": {
      input: schemas.NOTHING,
      run: () =>
        later(() => {
          if (node.relay !== null) return node.relay.status();
          throw new OmertaError("no-node", "The node of this state is no relay", {
            hint: "Start one with `omerta relay`.",
          });
        }),
    },
  };
}

function lendingMethods({ node }: TableParts): ApiTable {
  return {
    "provider.status": { input: schemas.NOTHING, run: () => providerStatus(node) },
    "provider.evict": {
      input: schemas.PROVIDER_EVICT,
      run: ({ vms, all }) => evict(node, vms, all),
    },
  };
}

function rentingMethods({ node }: TableParts): ApiTable {
  const { consumer, networks } = node;
  return {
    "consumer.request": {
      input: schemas.CONSUMER_REQUEST,
      run: (input, { signal, progress }) =>
        consumer.request(input, {
          signal,
          progress: (phase, text) => progress(text, { phase }),
        }),
    },
    "consumer.list": {
      input: schemas.NETWORK,
      run: async ({ network }) => ({
        vms: await consumer.list(network === null ? null : networks.require(network).row.id),
      }),
    },
    "consumer.status": { input: schemas.VM, run: ({ vm }) => consumer.status(vm) },
    "consumer.extend": {
      input: schemas.CONSUMER_EXTEND,
      run: ({ vm, leaseMs }, { signal }) => consumer.extend(vm, leaseMs, signal),
    },
    "consumer.release": {
      input: schemas.CONSUMER_RELEASE,
      run: ({ vms, all }, { signal }) => consumer.release(vms, all, signal),
    },
    "consumer.sshTarget": {
      input: schemas.CONSUMER_SSH_TARGET,
      run: ({ vm, all }) => later(() => ({ targets: consumer.sshTargets(vm, all) })),
    },
  };
}

function streamMethods({ node, hold }: TableParts): ApiTable {
  const { consumer, context, tunnels } = node;
  return {
    "consumer.ticket": {
      input: schemas.CONSUMER_TICKET,
      run: async ({ vm, port }, { signal }) => ({
        socket: context.paths.streamSocket,
        ticket: await consumer.ticket(vm, port, signal),
      }),
    },
    "consumer.forward": {
      input: schemas.CONSUMER_FORWARD,
      run: async ({ vm, forwards }, { signal, item }) => {
        const { id, tunnel, guestAddress } = await consumer.connect(vm, signal);
        const open: string[] = [];
        const holdName = `forward of VM ${id} ${randomUint32(context.random).toString(16)}`;
        hold(holdName, 1);
        try {
          for (const forward of forwards) {
            const name = `forward-${randomUint32(context.random).toString(16)}`;
            const local = tunnels.listen(name, tunnel, forward);
            open.push(name);
            item({ local, remote: formatAddress({ ip: guestAddress, port: forward.port }) });
          }
          await new Promise((resolve) => {
            signal.addEventListener("abort", resolve, { once: true });
            if (signal.aborted) resolve(undefined);
          });
        } finally {
          hold(holdName, 0);
          for (const name of open) tunnels.unlisten(name);
        }
        return { vm: id };
      },
    },
  };
}

function nodeMethods(
  { options, node, standing, build, linger, end, yieldNode }: TableParts,
): ApiTable {
  const { mode, state } = options;
  return {
    "node.info": {
      input: schemas.NOTHING,
      run: () => later(() => nodeInfo(options, standing, build)),
    },
    "node.yield": {
      input: schemas.NODE_YIELD,
      run: (asked) =>
        later(() => {
          const busy = linger.busy();
          const refusal = yieldRefusal({ mode, build, pid: Deno.pid, state, busy }, asked);
          if (refusal !== undefined) throw refusal;
          yieldNode();
          return { yielding: true as const };
        }),
    },
    "node.stop": {
      input: schemas.NOTHING,
      run: async () => {
        const views = await node.provider?.views() ?? [];
        end();
        return {
          pid: Deno.pid,
          vms: views.map(({ vm }) => ({
            id: vm.id,
            owner: vm.owner,
            lease_expires_at: leaseEnd(node, vm.deadline),
          })),
        };
      },
    },
  };
}

// Documents ----------------------------------------------------------------------------------------

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
      pid: Deno.pid,
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

async function providerStatus(node: NodeParts): Promise<ProviderStatusResult> {
  const provider = requireProvider(node);
  const { policy } = provider;
  const used = provider.used();
  const views = await provider.views();
  const { accelerator } = node;
  const confinement = views.find(({ figures }) => figures?.confinement)?.figures?.confinement ??
    accelerator?.confinement;
  return {
    accepting: policy.accepting && used.vms < policy.maxVms,
    capacity: {
      cpu: policy.cpu,
      memory_bytes: policy.memoryBytes,
      storage_bytes: policy.storageBytes,
      vms: policy.maxVms,
    },
    used: {
      cpu: used.cpu,
      memory_bytes: used.memoryBytes,
      storage_bytes: used.storageBytes,
      vms: used.vms,
    },
    accelerator: {
      kind: accelerator?.kind ?? null,
      probed_at: timestampOrNull(accelerator?.probedAtMs ?? null),
      reason: accelerator?.reason ?? null,
    },
    confinement: { level: confinement?.level ?? null, missing: confinement?.missing ?? [] },
    vms: views.map(({ vm, figures }) => ({
      id: vm.id,
      owner: vm.owner,
      state: vm.state,
      cpu: vm.requirements.cpu,
      memory_bytes: vm.requirements.memoryBytes,
      lease_expires_at: leaseEnd(node, vm.deadline),
      pid: figures?.pid ?? null,
      dropped_frames: figures?.droppedFrames ?? null,
    })),
  };
}

async function evict(
  node: NodeParts,
  names: readonly string[],
  all: boolean,
): Promise<ProviderEvictResult> {
  const provider = requireProvider(node);
  const living = (await provider.views()).map(({ vm }) => ({ id: vm.id, alias: null }));
  const evicted: string[] = [];
  const failed: { id: string; error: ErrorDoc }[] = [];
  for (const name of all ? living.map(({ id }) => id) : names) {
    const found = resolveName(name, living);
    try {
      if (!found.ok) throw new OmertaError(found.reason, `No one VM is meant by ${name}`);
      await provider.evict(found.value.id as VmId);
      evicted.push(found.value.id);
    } catch (error) {
      const known = error instanceof OmertaError
        ? error
        : new OmertaError("internal", String(error));
      const { code, message, hint = null, exit } = known;
      failed.push({ id: name, error: { code, message, hint, exit } });
    }
  }
  return { evicted, failed };
}

function requireProvider({ provider }: NodeParts): NonNullable<NodeParts["provider"]> {
  if (provider !== null) return provider;
  throw new OmertaError("no-node", "The node of this state is no provider", {
    hint: "Start one with `omerta provider`.",
  });
}

function leaseEnd({ context }: NodeParts, deadline: Instant): string {
  return timestamp(Math.round(context.wallMs() + (deadline - context.now())));
}

/** A network can be made where nobody could reach an invite: then it has none yet. */
function orUnreachable<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof OmertaError && error.code === "invite-unreachable") return null;
    throw error;
  }
}

/** A method that needs no time: what it throws is its answer all the same. */
function later<T>(run: () => T): Promise<T> {
  return new Promise((resolve) => resolve(run()));
}
