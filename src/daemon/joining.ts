/**
 * Joins a network by an invite: a session with exactly the admitter that the invite names, one call
 * that redeems it, and from then on this node is a member.
 *
 * @module
 */
import { OmertaError, peerKey } from "../base/mod.ts";
import { resolveHostPort } from "../host/resolve.ts";
import {
  encodeShown,
  type Invite,
  inviteSecrets,
  inviteTextError,
  parseInvite,
} from "../membership/mod.ts";
import type { Context } from "./context.ts";
import type { Entry, Networks } from "./networks.ts";
import type { Joined } from "./network_loading.ts";

/** Addresses of an admitter that are tried at once. Source: the session core's bound. */
const PATHS_MAX = 4;

/** What joining needs. */
export interface JoiningParts {
  readonly context: Context;
  readonly networks: Networks;
  alias(): string | null;
}

/** A text as an invite. @throws {OmertaError} `bad-invite`, `invite-expired`. */
export function readInvite(text: string, nowMs: number): Invite {
  const invite = parseInvite(text.trim(), nowMs);
  if (invite.ok) return invite.value;
  const { code, message } = inviteTextError(invite.reason);
  throw new OmertaError(code, message.charAt(0).toUpperCase() + message.slice(1), {
    hint: "Ask who invited you for the whole link, or for a new one.",
  });
}

/**
 * Joins, or finds that the network was joined before; then nobody is contacted, unless the invite
 * gives more than the membership has.
 *
 * @throws {OmertaError} what is wrong with the invite, `unreachable`.
 */
export async function joinNetwork(
  parts: JoiningParts,
  text: string,
  signal: AbortSignal,
): Promise<{ joined: Joined; isNew: boolean }> {
  const { networks, context } = parts;
  const invite = readInvite(text, context.wallMs());
  const known = networks.get(invite.network);
  if (known !== undefined && !givesMore(invite, known)) {
    networks.learnEntries(known, entriesOf(invite)); // a network that was imported has none
    return { joined: known, isNew: false };
  }
  const endJoining = networks.beginJoining(invite.network);
  try {
    return { joined: await redeem(parts, invite, signal), isNew: true };
  } finally {
    endJoining();
  }
}

async function redeem(
  { context, networks, alias }: JoiningParts,
  invite: Invite,
  signal: AbortSignal,
): Promise<Joined> {
  const { network, admitter, secret } = invite;
  const paths = (await Promise.all(invite.addresses.map(resolveHostPort))).flat();
  if (paths.length === 0) {
    throw new OmertaError("unreachable", "No address of the invite is known to this machine", {
      hint: "Does this machine resolve names (DNS)? Else ask who invited you for a new invite.",
    });
  }
  const key = { ...inviteSecrets(secret), network, kind: "invite" as const };
  const payload = encodeShown({ certificate: null, alias: alias() });
  const { loop } = context;
  const connects = paths.slice(0, PATHS_MAX).map((path) =>
    loop.connect({ peer: admitter, path, key, payload }, { signal })
  );
  try {
    await Promise.any(connects);
    const peer = peerKey(network, admitter);
    const answer = await loop.call(peer, "redeem", { s: secret }, { signal, kind: "invite" });
    return networks.finishJoining(network, answer, { admitter, entries: entriesOf(invite) });
  } catch (error) {
    throw unreached(invite, error);
  } finally {
    loop.input({ type: "disconnect", peer: peerKey(network, admitter), kind: "invite" });
  }
}

function givesMore({ grants }: Invite, { certificate, admitter }: Joined): boolean {
  return admitter === null && !grants.every((grant) => certificate.grants.includes(grant));
}

/** The places by which an invite leads into its network. */
function entriesOf({ admitter, addresses, relays }: Invite): Entry[] {
  return [{ id: admitter, addresses }, ...relays];
}

function unreached(invite: Invite, error: unknown): unknown {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  if (!(first instanceof OmertaError) || first.code !== "unreachable") return first;
  const where = invite.addresses.join(", ");
  return new OmertaError("unreachable", `Who invited you to ${invite.name} does not answer`, {
    hint: `Is its node running, and reachable over UDP at ${where}? The invite may be void, too.`,
    cause: first,
  });
}
