/**
 * `omerta network …`: found, join, invite to and leave networks.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { Grant } from "../../membership/mod.ts";
import type {
  InviteDoc,
  NetworkDetailsDoc,
  NetworkDoc,
  NetworkInviteResult,
} from "../../api/nouns/network.ts";
import { command, option, toggle, type Verbs } from "../command.ts";
import { facts, fromNow, shortIds, table, words } from "../format.ts";
import type { Invocation } from "../invocation.ts";
import { readPasted } from "../pasted.ts";
import {
  alias,
  duration,
  grants,
  invite as parseInvite,
  must,
  type Parse,
  pastedInvite,
  reference,
  wholeNumber,
} from "../values.ts";

const DAY_MS = 86_400_000;

/** Source: the command line's contract: `rent`, 24 h, one use. */
const INVITE_GRANTS: readonly Grant[] = ["rent"];

/** Longest exported network: a guess, far above what one has. */
const EXPORT_BYTES_MAX = 16 * 1024 * 1024;

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

const create = command({
  purpose: "found a network and print its first invite",
  details: [
    "Its first invite is like any other: for one machine, to rent, for 24 hours.",
    "This state then holds the network's authority: whoever has it can invite and revoke. Back it up with 'omerta network export'.",
  ],
  words: "NAME",
  wordsMin: 1,
  wordsMax: 1,
  node: "started",
  makesState: true,
  flags: {},
  examples: ["omerta network create home", "omerta network create lab --json"],
  exits: [8, 9],
  async run({ words: [word = ""], call, out, name: schema }) {
    const invite = out.showsSecrets;
    const result = await call("network.create", { name: must("NAME", alias(word)), invite });
    const { id, name } = result.network;
    out.document(schema, result, () => {
      return [`network ${name} (${id}) created`, ...firstInviteLines(result, invite)];
    });
    warnOfReach(result, out);
  },
});

const join = command({
  purpose: "become a member by an invite",
  details: [
    "The invite may also come from --join or OMERTA_INVITE. With - it is read from stdin, so that it stands in no process list.",
  ],
  words: "INVITE|-",
  wordsMin: 0,
  wordsMax: 1,
  node: "started",
  makesState: true,
  ownInvite: true,
  flags: {},
  examples: ["omerta network join -", "omerta network join - < invite.txt"],
  exits: [5, 6, 7],
  async run(invocation) {
    const { call, out, name } = invocation;
    const result = await call("network.join", { invite: await inviteOf(invocation) });
    out.document(name, result, () => {
      const { name, id, grants } = result.network;
      const how = result.joined ? "joined" : "had been joined before";
      return [`network ${name} (${id}) ${how}; grants: ${words(grants)}`];
    });
  },
});

async function inviteOf(invocation: Invocation<unknown>): Promise<string> {
  const { words: [word], invite } = invocation;
  if (word === "-") {
    return must("the invite on stdin", pastedInvite(await readPasted(invocation)));
  }
  const text = word ?? invite;
  if (text !== null) return must("the invite", parseInvite(text));
  throw new OmertaError("usage", "'omerta network join' needs an invite", {
    hint:
      "Write 'omerta join -' and give it on stdin; as a word it would be seen in process lists.",
  });
}

const list = command({
  purpose: "list the networks of this state",
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "started",
  flags: {},
  examples: ["omerta network list", "omerta network list --json"],
  exits: [9],
  async run({ call, out, name }) {
    const result = await call("network.list", {});
    out.document(name, result, () => networkTable(result.networks));
  },
});

const show = command({
  purpose: "show one network",
  words: "[N]",
  wordsMin: 0,
  wordsMax: 1,
  node: "started",
  flags: {},
  examples: ["omerta network show", "omerta network show home --json"],
  exits: [3, 9],
  async run(invocation) {
    const { call, out, name, terminal } = invocation;
    const result = await call("network.show", { network: networkOf(invocation) });
    out.document(name, result, () => networkFacts(result.network, terminal.now()));
  },
});

const invite = command({
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

const invites = command({
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

const revoke = command({
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

const exporting = command({
  purpose: "print a network's authority as text, to keep or to move it",
  details: [
    "The text is a secret: whoever has it is the network. Keep it where a lost machine does not take it along.",
  ],
  words: "[N]",
  wordsMin: 0,
  wordsMax: 1,
  node: "started",
  flags: {},
  examples: ["(umask 077; omerta network export home > home.omerta)"],
  exits: [3, 6, 9],
  async run(invocation) {
    const { call, out, name } = invocation;
    const result = await call("network.export", { network: networkOf(invocation) });
    if (out.json) out.document(name, result, () => []);
    else out.verbatim(`${result.export.trim()}\n`);
    out.note(`This is the secret of the network ${result.network.name}: keep it safe.`);
  },
});

const importing = command({
  purpose: "take up a network's authority that was exported, from stdin",
  words: "-",
  wordsMin: 1,
  wordsMax: 1,
  node: "started",
  makesState: true,
  flags: {},
  examples: ["omerta network import - < home.omerta"],
  exits: [8, 9],
  async run({ words: [word], globals, terminal, call, out, name, signal }) {
    if (word !== "-" || globals.join === "-") {
      throw new OmertaError("usage", "'omerta network import' reads stdin, and that alone", {
        hint: "Write 'omerta network import - < FILE'.",
      });
    }
    if (terminal.stdinIsTerminal) out.note("Paste what was exported, then Enter and Ctrl-D.");
    const text = exportedText(await terminal.readInput(EXPORT_BYTES_MAX, signal));
    const result = await call("network.import", { export: text });
    out.document(name, result, () => {
      return [`authority of network ${result.network.name} (${result.network.id}) imported`];
    });
    if (result.entries > 0) return;
    out.note("This state knows no node of the network yet. Run 'omerta relay' here, or give it an");
    out.note("invite of the network: 'omerta join -'.");
  },
});

/** The text itself, also out of the document that `export --json` prints. */
function exportedText(input: string): string {
  const text = input.trim();
  if (!text.startsWith("{")) return text;
  try {
    const document: unknown = JSON.parse(text);
    const inner = (document as { export?: unknown }).export;
    if (typeof inner === "string") return inner;
  } catch {
    // said below: it is no such document
  }
  throw new OmertaError("usage", "What came on stdin is not what 'omerta network export' prints");
}

const leave = command({
  purpose: "leave a network and forget its keys",
  words: "[N]",
  wordsMin: 0,
  wordsMax: 1,
  node: "started",
  flags: { force: toggle("leave although its authority is kept here, or VMs live in it") },
  examples: ["omerta network leave home"],
  exits: [3, 6, 9],
  async run(invocation) {
    const { call, out, name } = invocation;
    const result = await call("network.leave", {
      network: networkOf(invocation),
      force: invocation.flags.force,
    });
    out.document(name, result, () => [`network ${result.network.name} left`]);
  },
});

/** The network that a word names, else `--network`. */
function networkOf({ words: [word], globals }: Invocation<unknown>): string | null {
  return word === undefined ? globals.network : must("N", reference(word));
}

/** An invite that nobody sees would still let anybody in who finds it: none is made. */
function unseen(): OmertaError {
  return new OmertaError("usage", "Cannot print an invite where no terminal reads it", {
    hint: "Add --json, or run it in a terminal.",
  });
}

/** The invite of a new network, or why there is none. */
function firstInviteLines(result: NetworkInviteResult, wasAsked: boolean): string[] {
  if (result.invite !== null) return inviteLines(result);
  return wasAsked
    ? [
      "no invite was made, for no peer could reach this node",
      "keep it up with a public address (omerta relay), then: omerta network invite",
    ]
    : ["no invite was made, for no terminal would show it; for one: omerta network invite --json"];
}

/** The invite, and how to take it back. */
function inviteLines({ invite, invite_id, expires_at }: NetworkInviteResult): string[] {
  return [
    `invite: ${invite}`,
    ...expires_at === null ? [] : [`expires: ${expires_at}`],
    ...invite_id === null ? [] : [`to take it back: omerta network revoke ${invite_id}`],
  ];
}

function warnOfReach(
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

function networkTable(networks: readonly NetworkDoc[]): string[] {
  if (networks.length === 0) {
    return ["no network yet: omerta network create NAME, or omerta join -"];
  }
  const short = shortIds(networks.map(({ id }) => id));
  const rows = networks.map(({ id, name, members, grants, enabled }) => {
    return [name, short.get(id) ?? id, String(members), words(grants), enabled ? "yes" : "no"];
  });
  return table(["NAME", "ID", "MEMBERS", "GRANTS", "ENABLED"], rows);
}

function networkFacts(network: NetworkDetailsDoc, nowMs: number): string[] {
  return facts([
    ["name", network.name],
    ["id", network.id],
    ["epoch", String(network.epoch)],
    ["enabled", network.enabled ? "yes" : "no"],
    ["members known", String(network.members)],
    ["grants", words(network.grants)],
    ["authority here", network.authority ? "yes" : "no"],
    ["joined", fromNow(network.joined_at, nowMs)],
    ["certificate ends", fromNow(network.certificate_expires_at, nowMs)],
  ]);
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

/** The verbs of `omerta network`. */
export const network: Verbs = {
  create,
  join,
  list,
  show,
  invite,
  invites,
  revoke,
  export: exporting,
  import: importing,
  leave,
};
