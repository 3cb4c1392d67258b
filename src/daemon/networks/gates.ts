/**
 * The gates of invites whose admitter is this node: by which a joiner may come in, and by which it is only
 * told why not.
 *
 * @module
 */
import { type InviteRow, inviteSecrets } from "../../membership/mod.ts";
import type { AcceptedKey, RefusedKey } from "../../session/mod.ts";
import type { Joined } from "./network_loading.ts";

/** Invites by which somebody may still come, with what this node shows of itself. */
export function openGates(
  { row: { id: network }, admitter }: Joined,
  { payload, nowMs }: { readonly payload: Uint8Array; readonly nowMs: number },
): AcceptedKey[] {
  const open = admitter?.invites.open(nowMs) ?? [];
  return open.map((invite) => ({ ...gateOf(invite), network, kind: "invite" as const, payload }));
}

/** Invites that are over, and why. */
export function shutGates({ admitter }: Joined, nowMs: number): RefusedKey[] {
  const over = admitter?.invites.over(nowMs) ?? [];
  return over.map(({ invite, reason }) => ({ ...gateOf(invite), reason }));
}

/** Both as one text: it is another when a gate opens or shuts, be it by time alone. */
export function gatesText({ admitter }: Joined, nowMs: number): string {
  if (admitter === null) return "";
  const open = admitter.invites.open(nowMs).map(({ id }) => id);
  const over = admitter.invites.over(nowMs).map(({ invite, reason }) => `${invite.id} ${reason}`);
  return [...open, ...over].join();
}

function gateOf({ secret }: InviteRow): ReturnType<typeof inviteSecrets> {
  return inviteSecrets(Uint8Array.fromHex(secret));
}
