/**
 * `network.*`: making, joining and leaving networks, inviting to them, and moving their authority.
 *
 * ```text
 * network.join {"invite":"omerta://join/…"}
 *   → {"network":{"id":"mmws…","name":"home","epoch":1,"enabled":true,"members":3,"grants":["rent"]},
 *      "joined":true}
 * ```
 *
 * @module
 */
import * as v from "valibot";
import { type Grant, GRANTS } from "../../membership/mod.ts";
import {
  alias,
  duration,
  type Input,
  type Method,
  name,
  network,
  type NetworkChoice,
  type Nothing,
  secret,
  whole,
} from "./common.ts";

/** Input of `network.create`. */
export const NETWORK_CREATE = v.strictObject({
  name: alias,
  /** Whether to make a first invite; false where nobody would see it. */
  invite: v.boolean(),
});

/** Input of `network.join`. */
export const NETWORK_JOIN = v.strictObject({
  /** The whole `omerta://join/…` link: a secret. */
  invite: secret,
});

/** Input of `network.leave`. */
export const NETWORK_LEAVE = v.strictObject({
  network,
  /** Leaves although its authority lives here, or VMs live in it. */
  force: v.boolean(),
});

/** Input of `network.invite`. */
export const NETWORK_INVITE = v.strictObject({
  network,
  /** How long it can be redeemed, from now on. */
  expiresMs: duration,
  /** How often it can be redeemed, from 1; `null`: unlimited. */
  uses: v.nullable(v.pipe(whole, v.minValue(1))),
  /** What whoever comes by it may do in the network: at least one. */
  grants: v.pipe(v.array(v.picklist(GRANTS)), v.minLength(1), v.maxLength(GRANTS.length)),
});

/** Input of `network.revoke`. */
export const NETWORK_REVOKE = v.strictObject({
  network,
  /** An invite id, or a prefix of one. Peers come with the removal of members. */
  target: name,
});

/** Input of `network.import`. */
export const NETWORK_IMPORT = v.strictObject({
  /** What `network.export` gave: a secret. */
  export: secret,
});

/** A network that this state belongs to. */
export interface NetworkDoc {
  /** 52 characters. */
  readonly id: string;
  /** Unique in this state, and no more than that. */
  readonly name: string;
  /** Counts the changes of the network's key, from 1. */
  readonly epoch: number;
  /** False where the membership does not hold: it ran out, or does not fit this node. */
  readonly enabled: boolean;
  /** Members that are known here, this node included. */
  readonly members: number;
  /** This node's own grants. */
  readonly grants: readonly Grant[];
}

/** What `network show` adds. */
export interface NetworkDetailsDoc extends NetworkDoc {
  /** Whether this state holds the network's authority, so that it can invite, revoke, export. */
  readonly authority: boolean;
  readonly joined_at: string | null;
  /** When this node's certificate ends unless it is renewed. */
  readonly certificate_expires_at: string | null;
}

/** One invite, without its secret. */
export interface InviteDoc {
  /** What `network.revoke` takes. */
  readonly id: string;
  /** What whoever comes by it may do. */
  readonly grants: readonly Grant[];
  readonly created_at: string;
  readonly expires_at: string;
  /** How often it may be redeemed; `null`: unlimited. */
  readonly uses: number | null;
  /** How often it was. */
  readonly redeemed: number;
  readonly revoked_at: string | null;
}

/** Result of `network.create` and `network.invite`. */
export interface NetworkInviteResult {
  readonly network: NetworkDoc;
  /** The whole `omerta://join/…` link: a secret. `create`: `null` where none was made. */
  readonly invite: string | null;
  /** What `network.revoke` takes; `null` with `invite`. */
  readonly invite_id: string | null;
  /** `null` with `invite`. */
  readonly expires_at: string | null;
  /** Whether only nodes on the same LAN can redeem it (no public address is known). */
  readonly lan_only: boolean;
  /** Whether the node stays by itself. One in the background ends, and nobody redeems invites then. */
  readonly stays: boolean;
}

/** Result of `network.join`. */
export interface NetworkJoinResult {
  readonly network: NetworkDoc;
  /** False where the network had been joined before: nobody was contacted. */
  readonly joined: boolean;
}

/** Result of `network.list`. */
export interface NetworkListResult {
  /** Those whose membership does not hold come last: they are not enabled. */
  readonly networks: readonly NetworkDoc[];
}

/** Result of `network.show`. */
export interface NetworkShowResult {
  readonly network: NetworkDetailsDoc;
}

/** Result of `network.leave`. */
export interface NetworkLeaveResult {
  /** As it was. */
  readonly network: NetworkDoc;
}

/** Result of `network.invites`. */
export interface NetworkInvitesResult {
  readonly network: NetworkDoc;
  /** Those that are over, too, until they are forgotten. */
  readonly invites: readonly InviteDoc[];
}

/** Result of `network.revoke`. */
export interface NetworkRevokeResult {
  readonly network: NetworkDoc;
  /** What was meant, by its whole id. */
  readonly revoked: { readonly kind: "invite" | "peer"; readonly id: string };
}

/** Result of `network.export`. */
export interface NetworkExportResult {
  readonly network: NetworkDoc;
  /** The authority and its books as one line of text: a secret. `network.import` takes it. */
  readonly export: string;
}

/** Result of `network.import`. */
export interface NetworkImportResult {
  readonly network: NetworkDoc;
  /** Nodes of the network by which it can be entered from here; 0: nobody finds anybody yet. */
  readonly entries: number;
}

/**
 * The methods of the noun. Where a network is named, also `no-network`, `not-found`, `ambiguous`, and
 * `not-member` where the membership of the one that is meant does not hold.
 */
export interface NetworkMethods {
  /** Makes a network whose authority lives here. Errors: `exists`. */
  "network.create": Method<Input<typeof NETWORK_CREATE>, NetworkInviteResult>;
  /** Redeems an invite. Errors: `bad-invite`, `invite-*`, `unreachable`, `refused`. */
  "network.join": Method<Input<typeof NETWORK_JOIN>, NetworkJoinResult>;
  /** All networks of this state. */
  "network.list": Method<Nothing, NetworkListResult>;
  /** One network. */
  "network.show": Method<NetworkChoice, NetworkShowResult>;
  /** Forgets a network, its keys and its records. Errors: `refused` without `force`. */
  "network.leave": Method<Input<typeof NETWORK_LEAVE>, NetworkLeaveResult>;
  /** Makes an invite that leads to this node. Errors: `not-allowed`, `invite-unreachable`. */
  "network.invite": Method<Input<typeof NETWORK_INVITE>, NetworkInviteResult>;
  /** The invites that were made here. Errors: `not-allowed`. */
  "network.invites": Method<NetworkChoice, NetworkInvitesResult>;
  /** Ends an invite; who came by it is renewed no longer. Errors: `not-allowed`. */
  "network.revoke": Method<Input<typeof NETWORK_REVOKE>, NetworkRevokeResult>;
  /** The authority as a text. Errors: `not-allowed`. */
  "network.export": Method<NetworkChoice, NetworkExportResult>;
  /** Brings an authority here. Errors: `usage`, `state-damaged`. */
  "network.import": Method<Input<typeof NETWORK_IMPORT>, NetworkImportResult>;
}
