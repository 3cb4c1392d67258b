/**
 * The invites of networks whose authority lives here.
 *
 * @module
 */
import { type NamedNode, OmertaError } from "../../base/mod.ts";
import {
  type Admitter,
  encodeInvite,
  type Grant,
  type InviteRow,
  isLanOnlyInvite,
  resolveName,
} from "../../membership/mod.ts";
import { unreachableInvite, whichOf } from "./network_errors.ts";
import { type Joined, requireAdmitter } from "./joined.ts";
import type { NetworksParts } from "./parts.ts";

/** What an invite is made with. */
export interface InviteOrder {
  readonly grants: readonly Grant[];
  readonly uses: number | null;
  readonly lifeMs: number;
  /** Where this node listens, as others reach it. */
  readonly addresses: readonly string[];
  readonly relays: readonly NamedNode[];
}

/** What an invite is unless its maker says otherwise. Source: the command line's contract. */
export const INVITE_STANDARD = { grants: ["rent"], uses: 1, lifeMs: 86_400_000 } as const;

/**
 * The invite that a new relay prints: enough to begin everything with one command, so that it admits
 * renters and providers alike, as often as it is given. Source: the command line's contract.
 */
export const INVITE_FIRST = {
  grants: ["rent", "provide"],
  uses: null,
  lifeMs: 86_400_000,
} as const;

/** An invite, ready to be handed out. */
export interface MadeInvite {
  /** The whole link: a secret. */
  readonly text: string;
  readonly row: InviteRow;
  readonly lanOnly: boolean;
}

/** Makes and ends invites. */
export class Inviting {
  readonly #parts: Pick<NetworksParts, "store" | "identity" | "random" | "wallMs">;

  constructor(parts: Pick<NetworksParts, "store" | "identity" | "random" | "wallMs">) {
    this.#parts = parts;
  }

  /** Makes an invite and writes it down. @throws {OmertaError} `invite-unreachable`, `not-allowed`. */
  make(joined: Joined, order: InviteOrder): MadeInvite {
    const admitter = requireAdmitter(joined);
    if (order.addresses.length + order.relays.length === 0) throw unreachableInvite();
    const nowMs = this.#parts.wallMs();
    const row = this.#makeInvite(admitter, order, nowMs);
    this.#parts.store.invites.put({
      id: row.id,
      network: joined.row.id,
      secret: Uint8Array.fromHex(row.secret),
      grants: row.grants,
      createdAtMs: row.createdAtMs,
      expiresAtMs: row.expiresAtMs,
      usesMax: row.uses,
      revokedAtMs: null,
      label: null,
      redeemed: 0,
      redeemedAtMs: null,
    });
    const invite = {
      network: joined.row.id,
      name: joined.row.name,
      admitter: this.#parts.identity.id,
      addresses: order.addresses,
      relays: order.relays,
      secret: Uint8Array.fromHex(row.secret),
      grants: row.grants,
      expiresAtMs: row.expiresAtMs,
    };
    return { text: encodeInvite(invite), row, lanOnly: isLanOnlyInvite(invite) };
  }

  /** Ends an invite, named by its id or a prefix of it; returns its whole id. */
  revoke(joined: Joined, target: string): string {
    const { invites } = requireAdmitter(joined);
    const things = invites.list().map(({ id }) => ({ id, alias: null }));
    const found = resolveName(target, things);
    if (!found.ok) {
      throw new OmertaError(found.reason, whichOf("invite", found.reason, target), {
        hint: "See 'omerta network invites'. Members cannot be removed yet.",
      });
    }
    const nowMs = this.#parts.wallMs();
    const revoked = invites.revoke(found.value.id, nowMs);
    const row = this.#parts.store.invites.get({ id: found.value.id });
    if (row !== undefined && revoked.ok) {
      this.#parts.store.invites.put({ ...row, revokedAtMs: revoked.value.revokedAtMs });
    }
    return found.value.id;
  }

  #makeInvite(admitter: Admitter, order: InviteOrder, nowMs: number): InviteRow {
    try {
      return admitter.invites.make(order, this.#parts.random, nowMs);
    } catch (error) {
      if (error instanceof RangeError) throw new OmertaError("usage", error.message);
      throw error;
    }
  }
}
