/**
 * What can be wrong with networks, invites and memberships, in words for people.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { RedeemReason } from "../../membership/mod.ts";

/** That an invite could not be redeemed by anybody. */
export function unreachableInvite(): OmertaError {
  return new OmertaError("invite-unreachable", "Nobody could reach an invite from this node", {
    hint: "Run 'omerta relay' on a host with a public address, or name one with --advertise.",
  });
}

/** What a name means that is not that of one thing. */
export function whichOf(what: string, reason: "not-found" | "ambiguous", name: string): string {
  const shown = JSON.stringify(name);
  return reason === "not-found"
    ? `There is no ${what} ${shown}`
    : `More than one ${what} fits ${shown}`;
}

/** Why the membership of a network is not valid, and the way out of it. */
export function unsoundError(name: string, reason: string): OmertaError {
  const [why, hint] = UNSOUND[reason] ?? [`its certificate is damaged (${reason})`, JOIN_ANEW];
  return new OmertaError("not-member", `The membership of ${name} is not valid: ${why}`, { hint });
}

const JOIN_ANEW = "Join the network again with a new invite, or leave it.";

const UNSOUND: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  "missing": ["its certificate is missing", JOIN_ANEW],
  "expired": ["its time is over", `Is this machine's clock right? If so: ${lower(JOIN_ANEW)}`],
  "not-yet-valid": [
    "its time has not begun",
    `Is this machine's clock right? If so: ${lower(JOIN_ANEW)}`,
  ],
  "other-subject": [
    "it belongs to another identity, not to this state's identity.key",
    `Put the former identity.key back. Else: ${lower(JOIN_ANEW)}`,
  ],
};

/** That the authority of a network lives elsewhere. */
export function notAuthority(name: string): OmertaError {
  return new OmertaError("not-allowed", `The authority of ${name} does not live on this node`, {
    hint: "Ask on the node that made the network: it invites and exports.",
  });
}

/** That nothing can be done without a network. */
export function noNetwork(): OmertaError {
  return new OmertaError("no-network", "This node belongs to no network yet", {
    hint: "Join one with 'omerta join -', or begin one with 'omerta relay'.",
  });
}

/** That an admitter told of another epoch than this member can be in. */
export function otherEpoch(
  name: string,
  epoch: number,
  reason: "other-key" | "far-epoch",
): OmertaError {
  const what = reason === "other-key" ? "it has another key for" : "nobody can be so soon in";
  return new OmertaError(
    "refused",
    `The answer contradicts what is known of ${name}: ${what} epoch ${epoch}`,
    { hint: "Does the invite come from somebody whom you trust? Nothing was changed." },
  );
}

/** That who answers by an invite has no right to admit. */
export function noAdmitter(network: string): OmertaError {
  return new OmertaError("not-allowed", `Who made this invite to ${network} may not invite`, {
    hint: "Ask somebody who may: whoever made the network. Nothing was changed.",
  });
}

/** Whether a word of a peer says why an invite is not redeemed. */
export function isRedeemReason(word: unknown): word is RedeemReason {
  return REDEEM_REASONS.some((reason) => reason === word);
}

const REDEEM_REASONS: readonly RedeemReason[] = [
  "invite-expired",
  "invite-revoked",
  "invite-used-up",
  "invite-unknown",
];

/** Why an invite was not redeemed. */
export function redeemError(reason: string): OmertaError {
  switch (reason) {
    case "invite-expired":
      return new OmertaError(reason, "The invite's time is over", { hint: ASK_ANEW });
    case "invite-revoked":
      return new OmertaError(reason, "The invite was revoked", { hint: ASK_ANEW });
    case "invite-used-up":
      return new OmertaError(reason, "The invite was redeemed as often as it allows", {
        hint: ASK_ANEW,
      });
    case "not-member":
      return new OmertaError(reason, "This node was removed from the network");
    default:
      return new OmertaError("invite-unknown", "Who invited you does not know the invite", {
        hint: ASK_ANEW,
      });
  }
}

const ASK_ANEW = "Ask for a new one.";

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
