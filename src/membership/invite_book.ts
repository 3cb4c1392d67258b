/**
 * An admitter's book of the invites that it made: who may still come, who came by which.
 *
 * Redeeming is one synchronous step: looked up, judged and counted at once, so that no invite is used
 * more often than it allows. The same subject may redeem again, as when the answer was lost; that
 * counts once.
 *
 * ```text
 *   open ──expired, revoked──▶ over: latecomers are told why ──a week──▶ dropped
 *     └──used up──▶ open for an hour more: to whom it admitted ──▶ over
 * ```
 *
 * Only an open invite opens the gate. A revoked one by which somebody came is kept until no certificate of
 * theirs can be left, for none of those is renewed.
 *
 * @module
 */
import { fail, type NodeId, ok, type Random, type Result } from "../base/mod.ts";
import { CERTIFICATE_LIFE_MS } from "./certificate.ts";
import { type Grant, GRANTS } from "./grants.ts";
import { INVITE_SECRET_BYTES, inviteIdOf } from "./invite.ts";
import { CLOCK_SLACK_MS } from "./time.ts";

/** An invite in the book, as JSON; a snapshot. Holds the secret. */
export interface InviteRow {
  /** 16 hex digits. */
  readonly id: string;
  /** 64 hex digits: a secret. */
  readonly secret: string;
  readonly grants: readonly Grant[];
  /** How often it may be redeemed; `null`: unlimited. */
  readonly uses: number | null;
  /** Unix milliseconds, as all times here. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly revokedAtMs: number | null;
  /** How many subjects redeemed it. */
  readonly redeemed: number;
  /** When the newest of them came; `null`: nobody did. */
  readonly redeemedAtMs: number | null;
  /** The latest of them, oldest first: all, where uses are limited. */
  readonly subjects: readonly NodeId[];
}

/** Why an invite is not redeemed. All are error codes. */
export type RedeemReason =
  | "invite-unknown"
  | "invite-expired"
  | "invite-revoked"
  | "invite-used-up";

/** Invites in a book. Guess: each is a key that a handshake is looked up by. */
export const INVITES_MAX = 1_000;

/** The most uses to which an invite can be limited: so many subjects are remembered. */
export const INVITE_USES_MAX = 1_000;

/** Bounds of an invite's life. Guess: under a minute nobody types, over a year nobody remembers. */
export const INVITE_LIFE_MS = { min: 1_000, max: 365 * 86_400_000, standard: 86_400_000 } as const;

/** What is over is kept so long, to tell why. Guess. */
const OVER_KEPT_MS = 7 * 86_400_000;

/** A used-up invite stays open so long, for whose answer was lost. Guess: longer than a reboot takes. */
const REPEAT_MS = 3_600_000;

/** From a revocation on, the last certificate of who came by the invite is over after this. */
const CERTIFICATES_OVER_MS = CERTIFICATE_LIFE_MS + 2 * CLOCK_SLACK_MS;

/** Why an invite in the book is over. */
export type OverReason = Exclude<RedeemReason, "invite-unknown">;

/** An admitter's invites to one network. */
export class InviteBook {
  readonly #invites = new Map<string, InviteRow>();

  /** A book with the rows of before a restart. */
  constructor(rows: Iterable<InviteRow> = []) {
    for (const row of rows) this.#invites.set(row.id, row);
  }

  /** Every invite, oldest first, the ones that are over too. */
  list(): readonly InviteRow[] {
    return [...this.#invites.values()];
  }

  get(id: string): InviteRow | undefined {
    return this.#invites.get(id);
  }

  /**
   * Makes an invite; `sweep` first, so that there is room.
   *
   * @throws {RangeError} When life, uses or grants are out of range, or the book is full.
   */
  make(
    order: {
      readonly grants: readonly Grant[];
      readonly uses: number | null;
      readonly lifeMs: number;
    },
    random: Random,
    nowMs: number,
  ): InviteRow {
    checkOrder(order);
    if (this.#invites.size >= INVITES_MAX) {
      throw new RangeError(`Cannot make invite: the book holds ${INVITES_MAX} already`);
    }
    const secret = random.bytes(INVITE_SECRET_BYTES);
    return this.#keep({
      id: inviteIdOf(secret),
      secret: secret.toHex(),
      grants: GRANTS.filter((grant) => order.grants.includes(grant)),
      uses: order.uses,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + order.lifeMs,
      revokedAtMs: null,
      redeemed: 0,
      redeemedAtMs: null,
      subjects: [],
    });
  }

  /** The invites by which somebody may still come. */
  open(nowMs: number): readonly InviteRow[] {
    return this.list().filter((invite) => whyOver(invite, nowMs) === undefined);
  }

  /** The invites that are over, for a week; and why. */
  over(nowMs: number): readonly { readonly invite: InviteRow; readonly reason: OverReason }[] {
    return this.list().flatMap((invite) => {
      const reason = whyOver(invite, nowMs);
      const isLate = nowMs - endOf(invite) > OVER_KEPT_MS;
      return reason === undefined || isLate ? [] : [{ invite, reason }];
    });
  }

  /** Whether `subject` may come by the invite's secret; counts nothing. */
  judge(secret: Uint8Array, subject: NodeId, nowMs: number): Result<InviteRow, RedeemReason> {
    const invite = this.#invites.get(inviteIdOf(secret));
    if (invite === undefined || invite.secret !== secret.toHex()) return fail("invite-unknown");
    const reason = whyEnded(invite, nowMs);
    if (reason !== undefined) return fail(reason);
    const isIn = invite.subjects.includes(subject) || !isUsedUp(invite);
    return isIn ? ok(invite) : fail("invite-used-up");
  }

  /** Counts `subject` in by the invite's secret; the grants are what it is admitted with. */
  redeem(
    secret: Uint8Array,
    subject: NodeId,
    nowMs: number,
  ): Result<InviteRow, RedeemReason> {
    const judged = this.judge(secret, subject, nowMs);
    if (!judged.ok || judged.value.subjects.includes(subject)) return judged;
    const invite = judged.value;
    const subjects = [...invite.subjects, subject].slice(-INVITE_USES_MAX);
    const redeemed = invite.redeemed + 1;
    return ok(this.#keep({ ...invite, redeemed, redeemedAtMs: nowMs, subjects }));
  }

  /** Ends an invite; done again, it changes nothing. */
  revoke(id: string, nowMs: number): Result<InviteRow, "not-found"> {
    const invite = this.#invites.get(id);
    if (invite === undefined) return fail("not-found");
    return ok(invite.revokedAtMs === null ? this.#keep({ ...invite, revokedAtMs: nowMs }) : invite);
  }

  /**
   * Drops what has been over for long enough, and of a full book what ended first and keeps nobody out.
   * Returns the ids that are gone.
   */
  sweep(nowMs: number): readonly string[] {
    const late = this.list().filter((invite) => nowMs - endOf(invite) > keptMs(invite));
    for (const { id } of late) this.#invites.delete(id);
    const surplus = this.#invites.size >= INVITES_MAX ? this.#firstToGo(nowMs) : [];
    for (const { id } of surplus) this.#invites.delete(id);
    return [...late, ...surplus].map(({ id }) => id);
  }

  /** The one that ended first of those that are over and keep nobody out. */
  #firstToGo(nowMs: number): readonly InviteRow[] {
    return this.list()
      .filter((invite) => whyOver(invite, nowMs) !== undefined && !keepsOut(invite))
      .toSorted((a, b) => endOf(a) - endOf(b))
      .slice(0, 1);
  }

  #keep(invite: InviteRow): InviteRow {
    this.#invites.set(invite.id, invite);
    return invite;
  }
}

function endOf(invite: InviteRow): number {
  return Math.min(invite.expiresAtMs + CLOCK_SLACK_MS, invite.revokedAtMs ?? Infinity);
}

function keptMs(invite: InviteRow): number {
  return keepsOut(invite) ? CERTIFICATES_OVER_MS : OVER_KEPT_MS;
}

/** Whether members came by it who are not to be renewed. */
function keepsOut({ revokedAtMs, redeemed }: InviteRow): boolean {
  return revokedAtMs !== null && redeemed > 0;
}

function isUsedUp({ uses, redeemed }: InviteRow): boolean {
  return uses !== null && redeemed >= uses;
}

/** Why nobody at all may come by an invite, be it used up or not. */
function whyEnded(
  { revokedAtMs, expiresAtMs }: InviteRow,
  nowMs: number,
): "invite-revoked" | "invite-expired" | undefined {
  if (revokedAtMs !== null) return "invite-revoked";
  return nowMs > expiresAtMs ? "invite-expired" : undefined;
}

/** The same, and that nobody who came by it is likely to come again. */
function whyOver(invite: InviteRow, nowMs: number): OverReason | undefined {
  const isQuiet = nowMs - (invite.redeemedAtMs ?? nowMs) > REPEAT_MS;
  return whyEnded(invite, nowMs) ??
    (isUsedUp(invite) && isQuiet ? "invite-used-up" : undefined);
}

function checkOrder(
  order: {
    readonly grants: readonly Grant[];
    readonly uses: number | null;
    readonly lifeMs: number;
  },
): void {
  const { grants, uses, lifeMs } = order;
  if (!(lifeMs >= INVITE_LIFE_MS.min && lifeMs <= INVITE_LIFE_MS.max)) {
    throw new RangeError(`Cannot make invite: life is ${lifeMs} ms`);
  }
  if (uses !== null && !isCount(uses, 1, INVITE_USES_MAX)) {
    throw new RangeError(`Cannot make invite: uses are ${uses}`);
  }
  if (grants.length === 0) throw new RangeError("Cannot make invite: it grants nothing");
}

function isCount(value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
}
