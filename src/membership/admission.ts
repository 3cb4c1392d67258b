/**
 * Becoming and staying a member: the joiner redeems an invite at the admitter that made it, and gets
 * a certificate and the epoch key; at half of its certificate's life a member renews.
 *
 * ```text
 *   redeem   question {s: invite's secret}           renew   question {c: current certificate}
 *            answer   {c: certificate, m: network name, q: epoch, k: epoch key}      (both)
 * ```
 *
 * Nobody but the network's authority, or whom it lets admit, signs a certificate; so the epoch in the
 * answer is that of the certificate. The key itself is the admitter's word.
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
import { decodeCborMap, encodeCbor } from "../wire/mod.ts";
import {
  type Certificate,
  CERTIFICATE_BYTES_MAX,
  type CertificateReason,
  EPOCH_MAX,
  type IsRevoked,
  issueCertificate,
  nothingRevoked,
  verifyCertificate,
} from "./certificate.ts";
import { bytesOf, type FieldReader, integerOf, readFields, textOf } from "./fields.ts";
import type { Grant } from "./grants.ts";
import type { InviteBook, InviteRow, RedeemReason } from "./invite_book.ts";
import { INVITE_SECRET_BYTES } from "./invite.ts";
import type { MemberBook } from "./member_book.ts";
import { type EpochKey, SECRET_BYTES } from "./network.ts";
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

/** Who asks to be admitted or renewed. */
export interface AdmissionRequest {
  /** Whom the session proved. */
  readonly subject: NodeId;
  readonly question: Uint8Array;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** What makes a node a member. */
export interface Admission {
  readonly certificate: Certificate;
  readonly name: string;
  readonly epoch: EpochKey;
}

/** What an admitter answers, and which invite was counted. */
export interface Admitted {
  readonly answer: Uint8Array;
  readonly invite: InviteRow;
}

/** Bytes of a question or an answer at most. */
const BYTES_MAX = CERTIFICATE_BYTES_MAX + 128;

const ANSWER = {
  c: bytesOf({ min: 1, max: CERTIFICATE_BYTES_MAX }),
  m: textOf(32, isAlias),
  q: integerOf(1, EPOCH_MAX),
  k: bytesOf(SECRET_BYTES),
};

/** The joiner's question. */
export function encodeRedeem(secret: Uint8Array): Uint8Array {
  return encodeCbor({ s: secret });
}

/**
 * Whether `subject` may be admitted by its question, and by which invite; changes nothing. Asked first
 * where admitting costs something that others then lack.
 */
export function judgeAdmission(
  admitter: Admitter,
  { subject, question, nowMs }: AdmissionRequest,
): Result<InviteRow, RedeemReason | "not-member" | "malformed"> {
  const secret = readOnly(question, "s", bytesOf(INVITE_SECRET_BYTES));
  if (!secret.ok) return secret;
  if (admitter.revocations.has(subject)) return fail("not-member");
  return admitter.invites.judge(secret.value, subject, nowMs);
}

/**
 * Redeems an invite for `subject`, whom the session proved. Who was removed does not come back by an
 * invite that is still open: `not-member`. Reasons but `malformed` are error codes.
 */
export function admit(
  admitter: Admitter,
  request: AdmissionRequest,
): Result<Admitted, RedeemReason | "not-member" | "malformed"> {
  const { subject, nowMs } = request;
  const secret = readOnly(request.question, "s", bytesOf(INVITE_SECRET_BYTES));
  if (!secret.ok) return secret;
  if (admitter.revocations.has(subject)) return fail("not-member");
  const invite = admitter.invites.redeem(secret.value, subject, nowMs);
  if (!invite.ok) return invite;
  const answer = answerWith(admitter, { subject, grants: invite.value.grants, nowMs });
  return ok({ answer, invite: invite.value });
}

/** The member's question, when its certificate is at half of its life. */
export function encodeRenew(certificate: Certificate): Uint8Array {
  return encodeCbor({ c: certificate.bytes });
}

/** Why a certificate is not renewed. */
export type RenewReason = CertificateReason | "invite-revoked";

/**
 * Renews a certificate that still holds, with the same grants; of nobody whose invite was revoked, who
 * stays until its certificate ends.
 */
export function renew(
  admitter: Admitter,
  request: AdmissionRequest,
): Result<Uint8Array, RenewReason> {
  const { subject, nowMs } = request;
  const bytes = readOnly(request.question, "c", bytesOf({ min: 1, max: CERTIFICATE_BYTES_MAX }));
  if (!bytes.ok) return bytes;
  const { network, revocations: { isRevoked } } = admitter;
  const current = verifyCertificate(bytes.value, { network, subject, nowMs, isRevoked });
  if (!current.ok) return current;
  const invite = admitter.members.get(subject)?.invite ?? null;
  const revokedAtMs = invite === null ? null : admitter.invites.get(invite)?.revokedAtMs ?? null;
  if (revokedAtMs !== null) return fail("invite-revoked");
  return ok(answerWith(admitter, { subject, grants: current.value.grants, nowMs }));
}

/** Reads the answer to either question as the node `subject`, which trusts only the network's key. */
export function parseAdmission(
  bytes: Uint8Array,
  checks: {
    readonly network: NetworkId;
    readonly subject: NodeId;
    readonly nowMs: number;
    readonly isRevoked?: IsRevoked;
  },
): Result<Admission, CertificateReason | "other-epoch"> {
  const map = decodeCborMap(bytes, { bytesMax: BYTES_MAX });
  const fields = map.ok ? readFields(map.value, ANSWER, "ignore") : map;
  if (!fields.ok) return fail("malformed");
  const { c, m: name, q: epoch, k: key } = fields.value;
  const certificate = verifyCertificate(c, { isRevoked: nothingRevoked, ...checks });
  if (!certificate.ok) return certificate;
  if (certificate.value.epoch !== epoch) return fail("other-epoch");
  return ok({ certificate: certificate.value, name, epoch: { epoch, key } });
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

function answerWith(
  admitter: Admitter,
  member: { readonly subject: NodeId; readonly grants: readonly Grant[]; readonly nowMs: number },
): Uint8Array {
  const { issuer, network, name, epoch: { epoch, key }, delegation } = admitter;
  const order = { issuer, network, epoch, ...member };
  const certificate = issueCertificate(delegation === undefined ? order : { ...order, delegation });
  return encodeCbor({ c: certificate, m: name, q: epoch, k: key });
}

function readOnly<T>(
  bytes: Uint8Array,
  name: string,
  read: FieldReader<T>,
): Result<T, "malformed"> {
  const map = decodeCborMap(bytes, { bytesMax: BYTES_MAX });
  if (!map.ok) return fail("malformed");
  const fields = readFields(map.value, { [name]: read }, "ignore");
  const value = fields.ok ? fields.value[name] : undefined;
  return value === undefined ? fail("malformed") : ok(value);
}
