/**
 * What is kept about VMs: those that this node rents, and those that it lends; and about providers.
 *
 * A VM has ended when `endedAtMs` is set; until then its key and name are taken.
 *
 * @module
 */
import type { NetworkId, NodeId, VmId } from "../../base/mod.ts";
import { bytes, integer, json, nullable, type TableShape, text } from "./table.ts";

/** A VM that this node rents. */
export interface RentalRow {
  readonly id: VmId;
  readonly network: NetworkId;
  readonly provider: NodeId;
  /** `--key`: by which a repeated request finds it; unique among the living. */
  readonly key: string | null;
  /** `--name`: unique among the living. */
  readonly name: string | null;
  readonly state: string;
  /** JSON: what was asked for. */
  readonly request: unknown;
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
  readonly document: unknown;
}

/** A VM that this node lends. */
export interface HostedRow {
  readonly id: VmId;
  readonly network: NetworkId;
  readonly owner: NodeId;
  /** The owner's request key; unique among the living of that owner. */
  readonly key: string | null;
  readonly state: string;
  /** JSON: sizes, image and whatever else it was made of. */
  readonly spec: unknown;
  readonly secrets: Uint8Array | null;
  /** Tunnel ids: ours, and the one that the owner's end chose. */
  readonly localTunnel: number | null;
  readonly remoteTunnel: number | null;
  /** When it ends unless its lease is renewed. */
  readonly deadlineMs: number | null;
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
  /** JSON: the market's own row about it. */
  readonly row: unknown;
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
  key: ["network", "node"],
  columns: {
    network: text<NetworkId>(),
    node: text<NodeId>(),
    trustedAtMs: nullable(integer),
    servedAtMs: nullable(integer),
    failures: integer,
    failedAtMs: nullable(integer),
  },
};

/** Rented VMs, by id. */
export const RENTALS: TableShape<RentalRow, "id"> = {
  name: "rentals",
  key: ["id"],
  columns: {
    id: text<VmId>(),
    network: text<NetworkId>(),
    provider: text<NodeId>(),
    key: nullable(text()),
    name: nullable(text()),
    state: text(),
    request: json,
    secrets: nullable(bytes),
    hostKey: nullable(text()),
    leaseMs: integer,
    leaseExpiresAtMs: nullable(integer),
    requestedAtMs: integer,
    readyAtMs: nullable(integer),
    checkedAtMs: nullable(integer),
    endedAtMs: nullable(integer),
    document: json,
  },
};

/** Lent VMs, by id. */
export const HOSTED: TableShape<HostedRow, "id"> = {
  name: "hosted",
  key: ["id"],
  columns: {
    id: text<VmId>(),
    network: text<NetworkId>(),
    owner: text<NodeId>(),
    key: nullable(text()),
    state: text(),
    spec: json,
    secrets: nullable(bytes),
    localTunnel: nullable(integer),
    remoteTunnel: nullable(integer),
    deadlineMs: nullable(integer),
    createdAtMs: integer,
    endedAtMs: nullable(integer),
    row: json,
  },
};
