/**
 * What is kept about VMs: those that this node rents, and those that it lends; and about providers.
 *
 * A VM has ended when `endedAtMs` is set; until then its key and name are taken.
 *
 * @module
 */
import type { NetworkId, NodeId, VmId } from "../../base/mod.ts";
import { isAlias, isId, isVmId } from "../../base/mod.ts";
import { type HostRow, isRequestKey, isVmState, type VmState } from "../../market/mod.ts";
import {
  bytesOf,
  duration,
  integer,
  json,
  nullable,
  text,
  textOf,
  time,
  uint32,
} from "./codecs.ts";
import {
  hostedSpec,
  marketRow,
  type RentalDocument,
  rentalDocument,
  rentalRequest,
  type StoredRequest,
  type StoredSpec,
} from "./json.ts";
import type { TableShape } from "./table.ts";

/** Bytes of a WireGuard key. */
const KEY_BYTES = 32;

const vmId = textOf<VmId>("id of a VM", isVmId);
const networkId = textOf<NetworkId>("id of a network", isId);
const nodeId = textOf<NodeId>("id of a node", isId);
const state = textOf<VmState>("state of a VM", isVmState);
const key = nullable(textOf("key of a request", isRequestKey));

/** A VM that this node rents. */
export interface RentalRow {
  readonly id: VmId;
  readonly network: NetworkId;
  readonly provider: NodeId;
  /** `--key`: by which a repeated request finds it; unique among the living. */
  readonly key: string | null;
  /** `--name`: unique among the living. */
  readonly name: string | null;
  readonly state: VmState;
  /** JSON: what was asked for. */
  readonly request: StoredRequest;
  /** Keys of the tunnel, as the market part packs them. */
  readonly secrets: Uint8Array | null;
  /** A whole `ssh-ed25519 …` line. */
  readonly hostKey: string | null;
  readonly leaseMs: number;
  readonly leaseExpiresAtMs: number | null;
  readonly requestedAtMs: number;
  readonly readyAtMs: number | null;
  readonly checkedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** JSON: the rest of what a VM's document shows. */
  readonly document: RentalDocument;
}

/** A VM that this node lends. */
export interface HostedRow {
  readonly id: VmId;
  readonly network: NetworkId;
  readonly owner: NodeId;
  /** The owner's request key; unique among the living of that owner. */
  readonly key: string | null;
  readonly state: VmState;
  /** JSON: what it was made of besides its market's row. */
  readonly spec: StoredSpec;
  readonly secrets: Uint8Array | null;
  /** Tunnel ids: ours, and the one that the owner's end chose. */
  readonly localTunnel: number | null;
  readonly remoteTunnel: number | null;
  /** When it ends unless its lease is renewed. */
  readonly deadlineMs: number | null;
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
  /** JSON: the market's own row about it. */
  readonly row: HostRow;
}

/** What this node has seen of a provider, and whether its person trusts it. */
export interface ProviderRow {
  readonly network: NetworkId;
  readonly node: NodeId;
  readonly trustedAtMs: number | null;
  readonly servedAtMs: number | null;
  readonly failures: number;
  readonly failedAtMs: number | null;
}

/** Providers, by network and node. */
export const PROVIDERS: TableShape<ProviderRow, "network" | "node"> = {
  name: "providers",
  damaged: "set-aside",
  key: ["network", "node"],
  columns: {
    network: networkId,
    node: nodeId,
    trustedAtMs: nullable(time),
    servedAtMs: nullable(time),
    failures: integer,
    failedAtMs: nullable(time),
  },
};

/** Rented VMs, by id. */
export const RENTALS: TableShape<RentalRow, "id"> = {
  name: "rentals",
  damaged: "set-aside",
  key: ["id"],
  columns: {
    id: vmId,
    network: networkId,
    provider: nodeId,
    key,
    name: nullable(textOf("name", isAlias)),
    state,
    request: json("request", rentalRequest),
    secrets: nullable(bytesOf(KEY_BYTES)),
    hostKey: nullable(text()),
    leaseMs: duration,
    leaseExpiresAtMs: nullable(time),
    requestedAtMs: time,
    readyAtMs: nullable(time),
    checkedAtMs: nullable(time),
    endedAtMs: nullable(time),
    document: json("document of a VM", rentalDocument),
  },
};

/** Lent VMs, by id. */
export const HOSTED: TableShape<HostedRow, "id"> = {
  name: "hosted",
  damaged: "set-aside",
  key: ["id"],
  columns: {
    id: vmId,
    network: networkId,
    owner: nodeId,
    key,
    state,
    spec: json("specification of a VM", hostedSpec),
    secrets: nullable(bytesOf(KEY_BYTES)),
    localTunnel: nullable(uint32),
    remoteTunnel: nullable(uint32),
    deadlineMs: nullable(time),
    createdAtMs: time,
    endedAtMs: nullable(time),
    row: json("row of the market", marketRow),
  },
};
