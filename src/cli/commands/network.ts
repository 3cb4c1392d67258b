/**
 * `omerta network …`: found, join and leave networks; what invites and exports do is in files beside.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type {
  NetworkDetailsDoc,
  NetworkDoc,
  NetworkInviteResult,
} from "../../api/nouns/network.ts";
import { command, type Verbs } from "../command.ts";
import { toggle } from "../flags.ts";
import { facts, fromNow, shortIds, table, words } from "../format.ts";
import { type Invocation, networkOf } from "../invocation.ts";
import { readPasted } from "../pasted.ts";
import { alias, invite as parseInvite, must, pastedInvite } from "../values.ts";
import { exporting, importing } from "./network_export.ts";
import { invite, inviteLines, invites, revoke, warnOfReach } from "./network_invite.ts";

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
