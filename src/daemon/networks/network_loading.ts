/**
 * Networks out of the database: certificate judged, invites and revocations in their books.
 *
 * @module
 */
import { type NetworkId, OmertaError, toHex } from "../../base/mod.ts";
import { identityFromSeed } from "../../crypto/mod.ts";
import type { NetworkRow, RevocationRow } from "../../host/store/mod.ts";
import {
  type Admitter,
  type Certificate,
  GRANTS,
  InviteBook,
  type InviteRow,
  issueCertificate,
  MemberBook,
  type MemberEntry,
  nothingRevoked,
  RecordBook,
  renewalDueMs,
  type Revocation,
  RevocationBook,
  verifyCertificate,
  verifyRevocation,
} from "../../membership/mod.ts";
import type { Context } from "../context.ts";
import { unsoundError } from "./network_errors.ts";

/** A network of this node. */
export interface Joined {
  row: NetworkRow;
  certificate: Certificate;
  readonly records: RecordBook;
  readonly revocations: RevocationBook;
  /** Set where the authority lives here. */
  readonly admitter: Admitter | null;
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

/** Loads networks. */
export class NetworkLoading {
  readonly #context: Pick<Context, "store" | "identity" | "wallMs">;

  constructor(context: Pick<Context, "store" | "identity" | "wallMs">) {
    this.#context = context;
  }

  /** The authority signs its own node in, with every grant. */
  ownCertificate(
    network: NetworkId,
    { authoritySeed, epoch }: { readonly authoritySeed: Uint8Array; readonly epoch: number },
    nowMs: number,
  ): Uint8Array {
    const issuer = identityFromSeed(authoritySeed);
    const subject = this.#context.identity.id;
    return issueCertificate({ issuer, network, subject, grants: GRANTS, epoch, nowMs });
  }

  /** The network of a row, its books loaded. @throws {OmertaError} `not-member`. */
  load(stored: NetworkRow, known: RecordBook | undefined): Joined {
    const row = this.freshened(stored);
    const network = row.id;
    const revocations = new RevocationBook(network);
    for (const stored of this.#context.store.revocations.list({ network })) {
      revocations.add(readRevocation(stored));
    }
    const certificate = this.readCertificate(row);
    const invites = new InviteBook(this.#inviteRows(network));
    const { authoritySeed, name, epoch, epochKey } = row;
    const members = new MemberBook(authoritySeed === null ? [] : this.#memberRows(network));
    const admitter = authoritySeed === null ? null : {
      issuer: identityFromSeed(authoritySeed),
      network,
      name,
      epoch: { epoch, key: epochKey },
      invites,
      members,
      revocations,
    };
    const records = known ?? new RecordBook(network);
    return { row, certificate, records, revocations, admitter };
  }

  /** Where the authority lives here, our own certificate is signed anew at half of its life. */
  freshened(row: NetworkRow): NetworkRow {
    if (row.authoritySeed === null) return row;
    const nowMs = this.#context.wallMs();
    const current = row.certificate === null ? undefined : this.#verify(row, row.certificate);
    if (current?.ok && nowMs < renewalDueMs(current.value)) return row;
    const { authoritySeed, epoch } = row;
    const certificate = this.ownCertificate(row.id, { authoritySeed, epoch }, nowMs);
    const fresh = { ...row, certificate };
    this.#context.store.networks.put(fresh);
    return fresh;
  }

  /** @throws {OmertaError} `not-member` where it is not valid now. */
  readCertificate(row: NetworkRow): Certificate {
    const verified = row.certificate === null ? undefined : this.#verify(row, row.certificate);
    if (verified?.ok) return verified.value;
    throw unsoundError(row.name, verified?.reason ?? "missing");
  }

  #verify(row: NetworkRow, bytes: Uint8Array): ReturnType<typeof verifyCertificate> {
    return verifyCertificate(bytes, {
      network: row.id,
      subject: this.#context.identity.id,
      nowMs: this.#context.wallMs(),
      isRevoked: nothingRevoked,
    });
  }

  #inviteRows(network: NetworkId): InviteRow[] {
    const { store } = this.#context;
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

  #memberRows(network: NetworkId): MemberEntry[] {
    return this.#context.store.members.list({ network }).map((row) => {
      const { node, invite, admittedAtMs, expiresAtMs } = row;
      return { node, grants: row.grants, invite, admittedAtMs, expiresAtMs };
    });
  }
}
