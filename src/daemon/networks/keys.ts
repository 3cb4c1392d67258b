/**
 * The keys of networks: with which this node begins and answers handshakes, and what it shows of itself.
 * Members come by their network's epoch; joiners by the gate of an invite whose admitter is this node, or
 * are only told there why not.
 *
 * @module
 */
import { encodeShown, epochSecrets, type InviteRow, inviteSecrets } from "../../membership/mod.ts";
import {
  ACCEPTED_KEYS_MAX,
  type AcceptedKey,
  type RefusedKey,
  type SessionKey,
} from "../../session/mod.ts";
import type { Joined } from "./joined.ts";

/** When, and how this node calls itself. */
export interface Showing {
  readonly nowMs: number;
  readonly alias: string | null;
}

/** The key with which this node begins handshakes with members. */
export function memberKey({ row }: Joined): SessionKey {
  const secrets = epochSecrets(row.id, { epoch: row.epoch, key: row.epochKey });
  return { ...secrets, network: row.id, kind: "epoch" };
}

/** What this node shows of itself to members. */
export function shownTo({ certificate }: Joined, alias: string | null): Uint8Array {
  return encodeShown({ certificate: certificate.bytes, alias });
}

/** The keys with which this node answers handshakes: of members, and by invites that are open. */
export function acceptedKeys(all: readonly Joined[], { nowMs, alias }: Showing): AcceptedKey[] {
  const members = all.map((joined) => ({
    ...memberKey(joined),
    payload: shownTo(joined, alias),
  }));
  const invites = all.flatMap((joined) => {
    const payload = shownTo(joined, alias);
    const { row: { id: network }, admitter } = joined;
    const open = admitter?.invites.open(nowMs) ?? [];
    return open.map((each) => ({ ...gateOf(each), network, kind: "invite" as const, payload }));
  });
  return [...members, ...invites].slice(0, ACCEPTED_KEYS_MAX);
}

/** The keys of invites that are over: whoever comes by one is told why, and no more. */
export function refusedKeys(all: readonly Joined[], nowMs: number): RefusedKey[] {
  return all.flatMap(({ admitter }) => admitter?.invites.over(nowMs) ?? [])
    .map(({ invite, reason }) => ({ ...gateOf(invite), reason }))
    .slice(-ACCEPTED_KEYS_MAX);
}

/** All gates as one text: it is another when a gate opens or shuts, be it by time alone. */
export function gatesText(all: readonly Joined[], nowMs: number): string {
  return all.map(({ admitter }) => {
    if (admitter === null) return "";
    const open = admitter.invites.open(nowMs).map(({ id }) => id);
    const over = admitter.invites.over(nowMs).map(({ invite, reason }) => `${invite.id} ${reason}`);
    return [...open, ...over].join();
  }).join(";");
}

function gateOf({ secret }: InviteRow): ReturnType<typeof inviteSecrets> {
  return inviteSecrets(Uint8Array.fromHex(secret));
}
