/**
 * Admission to networks whose authority lives here: joiners redeem invites, members renew.
 *
 * ```text
 *   redeem   invite admits? ▸ budget of joiners ▸ room ▸ counted, written, answered
 *   renew    certificate holds? ▸ by an invite that was not revoked? ▸ written, answered
 * ```
 *
 * The invite is judged before anything is spent that others need. What is over leaves books and tables
 * as time goes by.
 *
 * @module
 */
import { type NodeId, OmertaError, splitPeerKey } from "../../base/mod.ts";
import {
  admit,
  type Admitter,
  CERTIFICATE_LIFE_MS,
  judgeAdmission,
  type MemberEntry,
  renew,
} from "../../membership/mod.ts";
import { admissionAnswer, type Answer, type Question } from "../../node/mod.ts";
import { JoinBudget } from "./join_budget.ts";
import type { Caller } from "../ports.ts";
import { redeemError } from "./network_errors.ts";
import type { NetworksParts } from "./parts.ts";

/** A renewal is written down where it moves the end by as much. Guess: a member renews in 15 days. */
const RENEWAL_WRITTEN_MS = 86_400_000;

/** Admits and renews. */
export class Admitting {
  readonly #parts: Pick<NetworksParts, "store" | "log" | "now" | "wallMs">;
  readonly #joins = new JoinBudget();

  constructor(parts: Pick<NetworksParts, "store" | "log" | "now" | "wallMs">) {
    this.#parts = parts;
  }

  /** A joiner redeems an invite. @throws {OmertaError} why not. */
  redeem(
    admitter: Admitter,
    { peer, source }: Caller,
    question: Question<"redeem">,
  ): Answer<"redeem"> {
    const { node: subject } = splitPeerKey(peer);
    const request = { subject, secret: question.s, nowMs: this.#parts.wallMs() };
    const judged = judgeAdmission(admitter, request);
    if (!judged.ok) throw redeemError(judged.reason);
    const taken = this.#joins.take(
      { invite: judged.value.id, source: source ?? null },
      this.#parts.now(),
    );
    if (!taken.ok) throw tooMany(taken.retryMs);
    if (!admitter.members.hasRoom(subject)) throw full();
    const admitted = admit(admitter, request);
    if (!admitted.ok) throw redeemError(admitted.reason);
    const { invite, word } = admitted.value;
    this.#keep(admitter, subject, invite.id);
    this.#parts.log.info("admitted a member", { node: subject, invite: invite.id });
    return admissionAnswer(word);
  }

  /** A member asks for a fresh certificate. @throws {OmertaError} `not-member`. */
  renew(
    admitter: Admitter,
    { peer }: Caller,
    question: Question<"renew">,
  ): Answer<"renew"> {
    const { node: subject } = splitPeerKey(peer);
    const nowMs = this.#parts.wallMs();
    const renewed = renew(admitter, { subject, certificate: question.c, nowMs });
    if (!renewed.ok) {
      throw new OmertaError(
        "not-member",
        NOT_RENEWED[renewed.reason] ?? `Not renewed: ${renewed.reason}`,
      );
    }
    this.#extend(admitter, subject);
    return admissionAnswer(renewed.value);
  }

  /** Forgets invites and members that are over for good. */
  sweep({ network, invites, members }: Admitter): void {
    const { store, wallMs } = this.#parts;
    const goneInvites = invites.sweep(wallMs());
    const goneMembers = members.sweep(wallMs());
    if (goneInvites.length + goneMembers.length === 0) return;
    store.transaction(() => {
      for (const id of goneInvites) store.invites.delete({ id });
      for (const node of goneMembers) store.members.delete({ network, node });
    });
  }

  #keep({ network, invites, members }: Admitter, subject: NodeId, id: string): void {
    const { store, wallMs } = this.#parts;
    const atMs = wallMs();
    const invite = invites.get(id);
    if (invite === undefined) return;
    const entry: MemberEntry = {
      node: subject,
      grants: invite.grants,
      invite: id,
      admittedAtMs: members.get(subject)?.admittedAtMs ?? atMs,
      expiresAtMs: atMs + CERTIFICATE_LIFE_MS,
    };
    members.put(entry);
    store.transaction(() => {
      const row = store.invites.get({ id });
      const { redeemed, redeemedAtMs } = invite;
      if (row !== undefined) store.invites.put({ ...row, redeemed, redeemedAtMs });
      if (invite.uses !== null) store.redemptions.put({ invite: id, subject, atMs });
      store.members.put({ network, ...entry });
    });
  }

  /** Nobody whom another node admitted is in the book; then there is nothing to forget either. */
  #extend({ network, members }: Admitter, subject: NodeId): void {
    const entry = members.get(subject);
    const expiresAtMs = this.#parts.wallMs() + CERTIFICATE_LIFE_MS;
    if (entry === undefined || expiresAtMs - entry.expiresAtMs < RENEWAL_WRITTEN_MS) return;
    members.put({ ...entry, expiresAtMs });
    this.#parts.store.members.put({ network, ...entry, expiresAtMs });
  }
}

const NOT_RENEWED: Partial<Record<string, string>> = {
  "invite-revoked": "Not renewed: the invite by which this node came was revoked",
  "revoked": "Not renewed: this node was removed from the network",
};

function tooMany(retryMs: number): OmertaError {
  return new OmertaError("refused", "Too many join just now: try again in a moment", {
    fields: { retryMs },
  });
}

function full(): OmertaError {
  return new OmertaError("refused", "The network has no room for another member");
}
