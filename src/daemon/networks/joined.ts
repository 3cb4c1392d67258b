/**
 * A network of this node: its row, its certificate, and the books that are loaded with it.
 *
 * @module
 */
import { type NetworkId, OmertaError, toHex } from "../../base/mod.ts";
import { identityFromSeed } from "../../crypto/mod.ts";
import type { NetworkRow, RevocationRow } from "../../host/store/mod.ts";
import {
  type Admitter,
  type Certificate,
  InviteBook,
  type InviteRow,
  MemberBook,
  type MemberEntry,
  nothingRevoked,
  type Revocation,
  RevocationBook,
  verifyRevocation,
} from "../../membership/mod.ts";
import type { Certified } from "./certificates.ts";
import { notAuthority } from "./network_errors.ts";
import type { NetworksParts } from "./parts.ts";

/** A network of this node. Who holds one sees its changes; only the book of networks makes them. */
export interface Joined {
  readonly row: NetworkRow;
  readonly certificate: Certificate;
  readonly revocations: RevocationBook;
  /** Set where the authority lives here. */
  readonly admitter: Admitter | null;
}

type Tables = NetworksParts["store"];

/**
 * A network with its books out of the database.
 *
 * @param certify Finds the certificate; asked last, since a damaged revocation matters more.
 * @throws {OmertaError} `state-damaged`, and what `certify` throws.
 */
export function loadJoined(
  store: Tables,
  network: NetworkId,
  certify: () => Certified,
): Joined {
  const revocations = new RevocationBook(network);
  for (const stored of store.revocations.list({ network })) {
    revocations.add(readRevocation(stored));
  }
  const { row, certificate } = certify();
  const { authoritySeed, name, epoch, epochKey } = row;
  const admitter = authoritySeed === null ? null : {
    issuer: identityFromSeed(authoritySeed),
    network,
    name,
    epoch: { epoch, key: epochKey },
    invites: new InviteBook(inviteRows(store, network)),
    members: new MemberBook(memberRows(store, network)),
    revocations,
  };
  return { row, certificate, revocations, admitter };
}

/**
 * A revocation that was judged before it was stored: no clock takes it back, and one that cannot be
 * read is no reason to let its subject in.
 *
 * @throws {OmertaError} `state-damaged`.
 */
function readRevocation({ network, node, bytes }: RevocationRow): Revocation {
  const checks = { network, nowMs: Number.MAX_SAFE_INTEGER, isRevoked: nothingRevoked };
  const verified = verifyRevocation(bytes, checks);
  if (verified.ok) return verified.value;
  const fields = { table: "revocations", key: `${network} ${node}`, column: "bytes" };
  throw new OmertaError(
    "state-damaged",
    `The database holds a damaged row of revocations, ${fields.key}: ${verified.reason}`,
    { hint: "Restore the state directory from a backup.", fields },
  );
}

function inviteRows(store: Tables, network: NetworkId): InviteRow[] {
  return store.invites.list({ network }).map((row) => {
    const subjects = store.redemptions.list({ invite: row.id }).map(({ subject }) => subject);
    return {
      id: row.id,
      secret: toHex(row.secret),
      grants: row.grants,
      uses: row.usesMax,
      createdAtMs: row.createdAtMs,
      expiresAtMs: row.expiresAtMs,
      revokedAtMs: row.revokedAtMs,
      redeemed: row.redeemed,
      redeemedAtMs: row.redeemedAtMs,
      subjects,
    };
  });
}

function memberRows(store: Tables, network: NetworkId): MemberEntry[] {
  return store.members.list({ network }).map((row) => {
    const { node, grants, invite, admittedAtMs, expiresAtMs } = row;
    return { node, grants, invite, admittedAtMs, expiresAtMs };
  });
}

/** The admitter of a network whose authority lives here. @throws {OmertaError} `not-allowed`. */
export function requireAdmitter({ admitter, row }: Joined): Admitter {
  if (admitter !== null) return admitter;
  throw notAuthority(row.name);
}
