/**
 * `omerta network invite`, `invites`, `revoke`: who may come, and the invites that say so.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { Grant } from "../../membership/mod.ts";
import type { InviteDoc, NetworkInviteResult } from "../../api/nouns/network.ts";
import { command } from "../command.ts";
import { option } from "../flags.ts";
import { fromNow, shortIds, table, words } from "../format.ts";
import { duration, grants, must, type Parse, wholeNumber } from "../values.ts";

const DAY_MS = 86_400_000;

/** Source: the command line's contract: `rent`, 24 h, one use. */
const INVITE_GRANTS: readonly Grant[] = ["rent"];

/** An invite's id is hex; its beginning does. */
const inviteId: Parse<string> = (text) => {
  return /^[0-9a-z][0-9a-z-]{3,63}$/.test(text)
    ? { ok: true, value: text }
    : { ok: false, reason: "it is no invite id: see 'omerta network invites'", code: "usage" };
};

/** How many may redeem an invite: `null`, as many as like. The bound is that of the node's book. */
const uses: Parse<number | null> = (text) => {
  return text === "unlimited"
    ? { ok: true, value: null }
    : wholeNumber({ min: 1, max: 1_000 })(text);
};

/** `omerta network invite`. */
export const invite = command({
  purpose: "make an invite",
  details: [
    "An invite is a secret. It is printed once, to a terminal or under --json, and nowhere else.",
    "It lets one machine join, to rent. Whoever is to lend VMs needs provide, too: --grant rent,provide.",
  ],
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "started",
  flags: {
    expires: option("T", "how long it can be redeemed", {
      parse: duration({ min: 1000, max: 3650 * DAY_MS }),
      initial: DAY_MS,
      shown: "24h",
    }),
    uses: option<number | null>("N|unlimited", "how many may join by it", {
      parse: uses,
      initial: 1,
      shown: "1",
    }),
    grant: option("LIST", "what the joiner may do, of rent,provide,relay,admit", {
      parse: grants,
      initial: INVITE_GRANTS,
      shown: INVITE_GRANTS.join(","),
    }),
  },
  examples: [
    "omerta network invite",
    "omerta network invite --grant rent,provide --expires 1h",
    "omerta network invite --uses unlimited --json",
  ],
  exits: [3, 6, 9],
  async run({ call, out, name, flags, globals: { network } }) {
    if (!out.showsSecrets) throw unseen();
    const { expires, uses, grant } = flags;
    const input = { network, expiresMs: expires, uses, grants: grant };
    const result = await call("network.invite", input);
    out.document(name, result, () => inviteLines(result));
    warnOfReach(result, out);
  },
});

/** `omerta network invites`. */
export const invites = command({
  purpose: "list the invites that this state made",
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "started",
  flags: {},
  examples: ["omerta network invites", "omerta network invites --json"],
  exits: [3, 9],
  async run({ call, out, name, terminal, globals: { network } }) {
    const result = await call("network.invites", { network });
    out.document(name, result, () => inviteTable(result.invites, terminal.now()));
  },
});

/** `omerta network revoke`. */
export const revoke = command({
  purpose: "revoke an invite: nobody joins by it any more",
  details: [
    "Members who came by it stay until their certificates end, in 30 days at most: they are not renewed.",
  ],
  words: "INVITE-ID",
  wordsMin: 1,
  wordsMax: 1,
  node: "started",
  flags: {},
  examples: ["omerta network revoke 3f9a12cd", "omerta network revoke 3f9a12cd --json"],
  exits: [3, 6, 9],
  async run({ words: [word = ""], call, out, name, globals: { network } }) {
    const target = must("INVITE-ID", inviteId(word));
    const result = await call("network.revoke", { network, target });
    out.document(name, result, () => [
      `${result.revoked.kind} ${result.revoked.id} revoked`,
      "who came by it stays until its certificate ends, in 30 days at most",
    ]);
  },
});

/** An invite that nobody sees would still let anybody in who finds it: none is made. */
function unseen(): OmertaError {
  return new OmertaError("usage", "Cannot print an invite where no terminal reads it", {
    hint: "Add --json, or run it in a terminal.",
  });
}

/** The invite, and how to take it back. */
export function inviteLines({ invite, invite_id, expires_at }: NetworkInviteResult): string[] {
  return [
    `invite: ${invite}`,
    ...expires_at === null ? [] : [`expires: ${expires_at}`],
    ...invite_id === null ? [] : [`to take it back: omerta network revoke ${invite_id}`],
  ];
}

/** Says on stderr who cannot redeem the invite that was made, and how to change that. */
export function warnOfReach(
  { invite, lan_only, stays }: NetworkInviteResult,
  out: { note(text: string): void },
): void {
  if (invite !== null && !stays) {
    out.note(
      "It is redeemed at this state's node, which ends when idle. Keep it up: omerta relay.",
    );
  }
  if (!lan_only) return;
  out.note("No public address of this node is known, so the invite works on its LAN only.");
  out.note("Where it has one, name it: omerta relay --advertise HOST[:PORT].");
}

function inviteTable(invites: readonly InviteDoc[], nowMs: number): string[] {
  if (invites.length === 0) return ["no invites: make one with omerta network invite"];
  const short = shortIds(invites.map(({ id }) => id));
  const rows = invites.map((invite) => [
    short.get(invite.id) ?? invite.id,
    words(invite.grants),
    `${invite.redeemed}${invite.uses === null ? "" : ` of ${invite.uses}`}`,
    invite.revoked_at === null ? fromNow(invite.expires_at, nowMs) : "revoked",
  ]);
  return table(["ID", "GRANTS", "REDEEMED", "EXPIRES"], rows);
}
