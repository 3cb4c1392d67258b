/**
 * Becoming and staying a member: the joiner redeems an invite at the admitter that made it, and gets
 * a certificate and the epoch key; at half of its certificate's life a member renews.
 *
 * ```text
 *   redeem   the invite's secret    ──▶ admit ──┐
 *   renew    a current certificate  ──▶ renew ──┴─▶ word {certificate, name, epoch} ──▶ verifyAdmission
 * ```
 *
 * Values in, values out: how they travel is said in `node/protocol/membership.ts`, and nowhere else.
 *
 * Nobody but the network's authority, or whom it lets admit, signs a certificate; so the epoch in the
 * word is that of the certificate. The key itself is the admitter's word.
 *
 * The secret is in the question although the session is opened with it: a session of one invite
 * redeems no other. The subject is whom the session proved, never a field.
 *
 * @module
 */
import {
  equalBytes,
  fail,
  isAlias,
  type NetworkId,
  type NodeId,
  ok,
  type Result,
} from "../base/mod.ts";
import type { Identity } from "../crypto/mod.ts";
import {
  type Certificate,
  type CertificateReason,
  issueCertificate,
  nothingRevoked,
  verifyCertificate,
} from "./certificate.ts";
import type { Grant } from "./grants.ts";
import type { InviteBook, InviteRow, RedeemReason } from "./invite_book.ts";
import type { MemberBook } from "./member_book.ts";
import type { EpochKey } from "./network.ts";
import type { RevocationBook } from "./revocation.ts";

/** Who admits: the holder of the authority, or later a delegate. */
export interface Admitter {
  /** The authority's identity, or the admitter's own with its `delegation`. */
  readonly issuer: Identity;
  readonly delegation?: Uint8Array;
  readonly network: NetworkId;
  readonly name: string;
  /** The current epoch. */
  readonly epoch: EpochKey;
  readonly invites: InviteBook;
  readonly members: MemberBook;
  readonly revocations: RevocationBook;
}

/** Who asks, and when. */
interface Asker {
  /** Whom the session proved. */
  readonly subject: NodeId;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** Who asks to be admitted. */
export interface AdmissionRequest extends Asker {
  /** The invite's. */
  readonly secret: Uint8Array;
}

/** Which member asks to be renewed. */
export interface RenewalRequest extends Asker {
  /** Its current certificate, as received. */
  readonly certificate: Uint8Array;
}

/** What an admitter says to whom it admits or renews: hostile until `verifyAdmission` took it. */
export interface AdmissionWord {
  readonly certificate: Uint8Array;
  /** The network's name. */
  readonly name: string;
  readonly epoch: EpochKey;
}

/** What makes a node a member. */
export interface Admission {
  readonly certificate: Certificate;
  readonly name: string;
  readonly epoch: EpochKey;
}

/** What an admitter answers, and which invite was counted. */
export interface Admitted {
  readonly word: AdmissionWord;
  readonly invite: InviteRow;
}

/**
 * Whether `subject` may be admitted by the secret, and by which invite; changes nothing. Asked first where
 * admitting costs something that others then lack.
 */
export function judgeAdmission(
  admitter: Admitter,
  { subject, secret, nowMs }: AdmissionRequest,
): Result<InviteRow, RedeemReason | "not-member"> {
  if (admitter.revocations.has(subject)) return fail("not-member");
  return admitter.invites.judge(secret, subject, nowMs);
}

/**
 * Redeems an invite for `subject`, whom the session proved. Who was removed does not come back by an
 * invite that is still open: `not-member`. Every reason is an error code.
 */
export function admit(
  admitter: Admitter,
  { subject, secret, nowMs }: AdmissionRequest,
): Result<Admitted, RedeemReason | "not-member"> {
  if (admitter.revocations.has(subject)) return fail("not-member");
  const invite = admitter.invites.redeem(secret, subject, nowMs);
  if (!invite.ok) return invite;
  const word = wordOf(admitter, { subject, grants: invite.value.grants, nowMs });
  return ok({ word, invite: invite.value });
}

/** Why a certificate is not renewed. */
export type RenewReason = CertificateReason | "invite-revoked";

/**
 * Renews a certificate that still holds, with the same grants; of nobody whose invite was revoked, who
 * stays until its certificate ends.
 */
export function renew(
  admitter: Admitter,
  { subject, certificate, nowMs }: RenewalRequest,
): Result<AdmissionWord, RenewReason> {
  const { network, revocations: { isRevoked } } = admitter;
  const current = verifyCertificate(certificate, { network, subject, nowMs, isRevoked });
  if (!current.ok) return current;
  const invite = admitter.members.get(subject)?.invite ?? null;
  const revokedAtMs = invite === null ? null : admitter.invites.get(invite)?.revokedAtMs ?? null;
  if (revokedAtMs !== null) return fail("invite-revoked");
  return ok(wordOf(admitter, { subject, grants: current.value.grants, nowMs }));
}

/** Judges an admitter's word as the node `subject`, which trusts only the network's key. */
export function verifyAdmission(
  { certificate: bytes, name, epoch }: AdmissionWord,
  checks: { readonly network: NetworkId; readonly subject: NodeId; readonly nowMs: number },
): Result<Admission, CertificateReason | "other-epoch"> {
  if (!isAlias(name)) return fail("malformed");
  const certificate = verifyCertificate(bytes, { ...checks, isRevoked: nothingRevoked });
  if (!certificate.ok) return certificate;
  if (certificate.value.epoch !== epoch.epoch) return fail("other-epoch");
  return ok({ certificate: certificate.value, name, epoch });
}

/** How far the epoch may be ahead of the one that a member knows: one a minute, for a year. */
const EPOCH_STEP_MAX = 525_600;

/**
 * The epoch in which a member is after an admission or a renewal: never back, never another key for the
 * epoch that it knows, never so far ahead that nobody else could be there.
 */
export function nextEpoch(
  known: EpochKey,
  told: EpochKey,
): Result<EpochKey, "other-key" | "far-epoch"> {
  if (told.epoch < known.epoch) return ok(known);
  if (told.epoch === known.epoch) {
    return equalBytes(told.key, known.key) ? ok(known) : fail("other-key");
  }
  return told.epoch - known.epoch > EPOCH_STEP_MAX ? fail("far-epoch") : ok(told);
}

function wordOf(
  admitter: Admitter,
  member: { readonly subject: NodeId; readonly grants: readonly Grant[]; readonly nowMs: number },
): AdmissionWord {
  const { issuer, network, name, epoch, delegation } = admitter;
  const order = { issuer, network, epoch: epoch.epoch, ...member };
  const certificate = issueCertificate(delegation === undefined ? order : { ...order, delegation });
  return { certificate, name, epoch };
}
