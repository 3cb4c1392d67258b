/**
 * What is kept about networks: membership, invites, members, pinned names. Records of members
 * are in memory alone, since they are published again and again: the table `records` is used no more.
 *
 * @module
 */
import { isId, type NamedNode, type NetworkId, type NodeId } from "../../base/mod.ts";
import type { Grant } from "../../membership/mod.ts";
import { boolean, bytes, bytesOf, integer, json, nullable, text, textOf, time } from "./codecs.ts";
import { bootstrap, grantList } from "./json.ts";
import type { TableShape } from "./table.ts";

/** Bytes of an Ed25519 seed, a network's key, and an invite's secret. */
const KEY_BYTES = 32;

const networkId = textOf<NetworkId>("id of a network", isId);
const nodeId = textOf<NodeId>("id of a node", isId);
const grants = json("list of grants", grantList);

/** A network that this node belongs to. */
export interface NetworkRow {
  readonly id: NetworkId;
  readonly name: string;
  readonly joinedAtMs: number;
  readonly enabled: boolean;
  readonly epoch: number;
  /** 32 bytes: a secret. */
  readonly epochKey: Uint8Array;
  /** The network's own Ed25519 seed, where this node founded or imported it: a secret. */
  readonly authoritySeed: Uint8Array | null;
  /** This node's certificate, as received. */
  readonly certificate: Uint8Array | null;
  /** Who admitted this node, and renews its certificate. */
  readonly admitter: NodeId | null;
  /** JSON: where to begin after a restart, such as the addresses and relays of the invite. */
  readonly bootstrap: { readonly entries: readonly NamedNode[] };
}

/** A key of an epoch that has passed: for members that come back late. */
export interface OldEpochKeyRow {
  readonly network: NetworkId;
  readonly epoch: number;
  readonly epochKey: Uint8Array;
  readonly retiredAtMs: number;
}

/** An invite that this node made. */
export interface InviteRow {
  readonly id: string;
  readonly network: NetworkId;
  /** 32 bytes: a secret. */
  readonly secret: Uint8Array;
  /** JSON: an array of grants. */
  readonly grants: readonly Grant[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** Null: unlimited. */
  readonly usesMax: number | null;
  readonly revokedAtMs: number | null;
  readonly label: string | null;
  /** How many redeemed it. */
  readonly redeemed: number;
  /** When the newest of them did. */
  readonly redeemedAtMs: number | null;
}

/** Who redeemed an invite of limited uses: one row each, however often they repeat it. */
export interface RedemptionRow {
  readonly invite: string;
  readonly subject: NodeId;
  readonly atMs: number;
}

/** A member that this node admitted. */
export interface MemberRow {
  readonly network: NetworkId;
  readonly node: NodeId;
  /** JSON: an array of grants. */
  readonly grants: readonly Grant[];
  readonly admittedAtMs: number;
  /** The invite by which it came last. Not a reference: an invite goes, its members stay. */
  readonly invite: string | null;
  /** When its newest certificate ends: then the row is forgotten. */
  readonly expiresAtMs: number;
}

/** A revocation of a member, as signed. */
export interface RevocationRow {
  readonly network: NetworkId;
  readonly node: NodeId;
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

/** A name that was used for a node: it never means another one. */
export interface PinRow {
  readonly network: NetworkId;
  readonly name: string;
  readonly node: NodeId;
  readonly pinnedAtMs: number;
}

/** Networks, by id. */
export const NETWORKS: TableShape<NetworkRow, "id"> = {
  name: "networks",
  damaged: "refuse",
  key: ["id"],
  columns: {
    id: networkId,
    name: text(),
    joinedAtMs: time,
    enabled: boolean,
    epoch: integer,
    epochKey: bytesOf(KEY_BYTES),
    authoritySeed: nullable(bytesOf(KEY_BYTES)),
    certificate: nullable(bytes),
    admitter: nullable(nodeId),
    bootstrap: json("list of entries", bootstrap),
  },
};

/**
 * Keys of past epochs, by network and epoch. Nothing writes them yet: an epoch that ends is still answered
 * for a while, and the table is there for the first that does.
 */
export const OLD_EPOCH_KEYS: TableShape<OldEpochKeyRow, "network" | "epoch"> = {
  name: "old_epoch_keys",
  damaged: "set-aside",
  key: ["network", "epoch"],
  columns: {
    network: networkId,
    epoch: integer,
    epochKey: bytesOf(KEY_BYTES),
    retiredAtMs: time,
  },
};

/** Invites made here, by id. */
export const INVITES: TableShape<InviteRow, "id"> = {
  name: "invites",
  damaged: "set-aside",
  key: ["id"],
  columns: {
    id: text(),
    network: networkId,
    secret: bytesOf(KEY_BYTES),
    grants,
    createdAtMs: time,
    expiresAtMs: time,
    usesMax: nullable(integer),
    revokedAtMs: nullable(time),
    label: nullable(text()),
    redeemed: integer,
    redeemedAtMs: nullable(time),
  },
};

/** Redemptions, by invite and subject. */
export const REDEMPTIONS: TableShape<RedemptionRow, "invite" | "subject"> = {
  name: "redemptions",
  damaged: "set-aside",
  key: ["invite", "subject"],
  columns: { invite: text(), subject: nodeId, atMs: time },
};

/** Members admitted here, by network and node. */
export const MEMBERS: TableShape<MemberRow, "network" | "node"> = {
  name: "members",
  damaged: "set-aside",
  key: ["network", "node"],
  columns: {
    network: networkId,
    node: nodeId,
    grants,
    admittedAtMs: time,
    invite: nullable(text()),
    expiresAtMs: time,
  },
};

/** Revocations, by network and node. */
export const REVOCATIONS: TableShape<RevocationRow, "network" | "node"> = {
  name: "revocations",
  damaged: "refuse",
  key: ["network", "node"],
  columns: { network: networkId, node: nodeId, bytes, atMs: time },
};

/** Pinned names, by network and name. */
export const PINS: TableShape<PinRow, "network" | "name"> = {
  name: "pins",
  damaged: "set-aside",
  key: ["network", "name"],
  columns: {
    network: networkId,
    name: text(),
    node: nodeId,
    pinnedAtMs: time,
  },
};
