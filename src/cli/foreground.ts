/**
 * What `mesh run`, `relay` and `provider` share: being the node itself, and saying once that it is
 * ready.
 *
 * @module
 */
import type { NodeMode, NodeReadyDoc } from "../api/nouns/node.ts";
import type { ProviderOptions, RelayOptions, RunNodeOptions } from "../daemon/options.ts";
import { type FlagValues, list, maybe } from "./flags.ts";
import { nodeName, words } from "./format.ts";
import { lingerMs } from "./globals.ts";
import type { Invocation } from "./invocation.ts";
import { advertised, alias, port } from "./values.ts";

/** The flags of every command that is a node. */
export const NODE_FLAGS = {
  port: maybe("P", "UDP port (default: the last one; a relay: 9000)", port),
  advertise: list("HOST[:PORT]", "public address that peers cannot see by themselves", advertised),
  alias: maybe("A", "name that peers see", alias),
};

/** What tells one such command from another. */
export interface Part {
  readonly roles: RunNodeOptions["roles"];
  readonly provider: ProviderOptions | null;
  readonly relay?: RelayOptions;
  readonly mode: NodeMode;
}

/**
 * Runs a node in this process until a signal, `mesh stop`, or for a background node disuse ends it.
 *
 * @throws {OmertaError} `usage` for a wrong OMERTA_LINGER; what keeps the node from starting.
 */
export async function runForeground(
  invocation: Invocation<FlagValues<typeof NODE_FLAGS>>,
  part: Part,
): Promise<void> {
  const { flags, node, invite, signal, out, terminal } = invocation;
  await node.run({
    ...part,
    state: node.state,
    port: flags.port,
    advertise: flags.advertise,
    alias: flags.alias,
    lingerMs: lingerMs(terminal.env),
    invite,
    showsInvite: out.showsSecrets,
    signal,
    onReady: (doc) => out.document(invocation.name, doc, () => readyLines(doc, invocation)),
    log: (line, level) => level === "error" ? out.complaint(line) : out.note(line),
  });
}

/** The ready line, and what a first start made. */
function readyLines(doc: NodeReadyDoc, { node }: Invocation<unknown>): string[] {
  const { id, alias } = doc.node;
  const roles = doc.roles.length === 0 ? "node" : doc.roles.join(" and ");
  const networks = words(doc.networks.map(({ id, name }) => nodeName(id, name)));
  const ready = `ready: ${roles} ${
    alias ?? ""
  } ${id} on UDP port ${doc.port}, networks ${networks}`;
  return [ready.replace(/ +/g, " "), ...madeLines(doc, node.state)];
}

function madeLines(doc: NodeReadyDoc, state: string): string[] {
  if (!doc.network_created) return [];
  const made = `a new network was made; its authority and its invites are kept in ${state}`;
  if (doc.invite === null) return [made, "an invite for others: omerta network invite"];
  return [made, `invite: ${doc.invite}`, ...FIRST_INVITE];
}

/** What the first invite gives. Source: the command line's contract. */
const FIRST_INVITE = [
  "whoever has it may rent and provide, as often as it is given on, for 24 hours;",
  "one for a single machine, to rent: omerta network invite",
];
