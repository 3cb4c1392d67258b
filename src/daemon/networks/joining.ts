/**
 * Joins a network by an invite: a session with exactly the admitter that the invite names, one call
 * that redeems it, and from then on this node is a member.
 *
 * @module
 */
import { capital, type NamedNode, OmertaError, type Path, peerKey } from "../../base/mod.ts";
import { resolveHostPort } from "../../host/resolve.ts";
import {
  encodeShown,
  type Invite,
  inviteSecrets,
  inviteTextError,
  parseInvite,
} from "../../membership/mod.ts";
import type { Log } from "../../host/log.ts";
import type { Calls, Clock, Sessions } from "../ports.ts";
import { isRedeemReason, noAdmitter, redeemError } from "./network_errors.ts";
import type { Networks } from "./networks.ts";
import type { Joined } from "./joined.ts";
import { timestamp } from "../../host/time.ts";

/** Addresses of an admitter that are tried at once. Source: the session core's bound. */
const PATHS_MAX = 4;

/** What joining needs. */
export interface JoiningParts extends Pick<Clock, "wallMs"> {
  readonly networks: Networks;
  readonly sessions: Sessions;
  readonly calls: Pick<Calls, "call">;
  readonly log: Pick<Log, "warn">;
  /** How this node calls itself. */
  alias(): string | null;
}

/** A text as an invite. @throws {OmertaError} `bad-invite`, `invite-expired`. */
export function readInvite(text: string, nowMs: number): Invite {
  const invite = parseInvite(text.trim(), nowMs);
  if (invite.ok) return invite.value;
  const { code, message } = inviteTextError(invite.reason);
  const hint = invite.reason === "expired"
    ? `Ask for a new one, unless this machine's clock is wrong: it says ${timestamp(nowMs)}.`
    : "Ask who invited you for the whole link, or for a new one.";
  throw new OmertaError(code, capital(message), { hint });
}

/**
 * Joins, or finds that the network was joined before; then nobody is contacted, unless the invite
 * gives more than the membership has, or leads where nobody is known: then that node is met first.
 *
 * @throws {OmertaError} why the invite is not redeemed, `unreachable`, `refused`.
 */
export async function joinNetwork(
  parts: JoiningParts,
  invite: Invite,
  signal: AbortSignal,
): Promise<{ joined: Joined; isNew: boolean }> {
  const { networks } = parts;
  const known = networks.get(invite.network);
  if (known !== undefined && !givesMore(invite, known)) {
    await learn(parts, { invite, known, signal });
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
  parts: JoiningParts,
  invite: Invite,
  signal: AbortSignal,
): Promise<Joined> {
  const { networks, sessions, calls } = parts;
  const { network, admitter, secret } = invite;
  const paths = await pathsOf(invite);
  const key = { ...inviteSecrets(secret), network, kind: "invite" as const };
  const payload = encodeShown({ certificate: null, alias: parts.alias() });
  try {
    await Promise.any(
      paths.map((path) =>
        sessions.connect({ peer: admitter, path, named: "person", key, payload }, { signal })
      ),
    );
    const peer = peerKey(network, admitter);
    const answer = await calls.call(peer, "redeem", { s: secret }, { signal, kind: "invite" });
    return networks.finishJoining(network, answer, { admitter, entries: entriesOf(invite) });
  } catch (error) {
    throw notJoined(invite, error, parts.wallMs());
  } finally {
    sessions.disconnect(peerKey(network, admitter), "invite");
  }
}

function givesMore({ grants }: Invite, { certificate, admitter }: Joined): boolean {
  return admitter === null && !grants.every((grant) => certificate.grants.includes(grant));
}

/** The places by which an invite leads into its network. */
function entriesOf({ admitter, addresses, relays }: Invite): NamedNode[] {
  return [{ id: admitter, addresses }, ...relays];
}

/** Where the admitter may listen. @throws {OmertaError} `unreachable`. */
async function pathsOf({ addresses }: Invite): Promise<Path[]> {
  const paths = (await Promise.all(addresses.map(resolveHostPort))).flat();
  if (paths.length > 0) return paths.slice(0, PATHS_MAX);
  throw new OmertaError("unreachable", "No address of the invite is known to this machine", {
    hint: "Does this machine resolve names (DNS)? Else ask who invited you for a new invite.",
  });
}

/**
 * A member takes from an invite where its admitter listens, as soon as it was met there: the text alone
 * says nothing. Without any other place to enter, that it was not met is an error.
 */
async function learn(
  { networks, sessions, log, wallMs }: JoiningParts,
  { invite, known, signal }: { invite: Invite; known: Joined; signal: AbortSignal },
): Promise<void> {
  const { admitter: peer, addresses } = invite;
  const entry = { id: peer, addresses };
  if (networks.knowsEntry(known, entry)) return;
  const [key, payload] = [networks.key(known), networks.shown(known)];
  try {
    const paths = await pathsOf(invite);
    await Promise.any(
      paths.map((path) =>
        sessions.connect({ peer, path, named: "person", key, payload }, { signal })
      ),
    );
    networks.learnEntry(known, entry);
  } catch (error) {
    const isNeeded = signal.aborted || networks.entries(known).length === 0;
    if (isNeeded) throw notJoined(invite, error, wallMs());
    log.warn("nobody answers where the invite leads: its addresses are not kept");
  }
}

/** Why it came to nothing, in our own words where the other end gave a reason that we know. */
function notJoined(invite: Invite, error: unknown, nowMs: number): unknown {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  if (!(first instanceof OmertaError)) return first;
  const detail = first.fields["detail"];
  if (detail === "no-admitter") return noAdmitter(invite.name);
  const told = [detail, first.code].find(isRedeemReason);
  if (told !== undefined) return redeemError(told);
  if (first.code !== "unreachable") return first;
  // Long after its end nobody there knows the invite any more; our own clock does.
  if (nowMs > invite.expiresAtMs) return redeemError("invite-expired");
  const where = invite.addresses.join(", ");
  return new OmertaError("unreachable", `Who invited you to ${invite.name} does not answer`, {
    hint: `Is its node running, and reachable over UDP at ${where}? The invite may be void, too.`,
    cause: first,
  });
}
