/**
 * The nouns of the command line, their verbs and short forms. Only words stand here: the commands of
 * a noun are loaded when it is used, so that help and errors come at once.
 *
 * @module
 */
import type { Verbs } from "./command.ts";

/** A noun of the command line. */
export interface Noun {
  readonly purpose: string;
  /** In the order of the help; `""`: the noun alone is a command. */
  readonly verbs: readonly string[];
  /** The verb that is meant where none is written. */
  readonly alone?: string;
  /** Verbs that run somebody else's command: how many words of ours stand before its first word. */
  readonly commandAfter?: Readonly<Record<string, number>>;
  load(): Promise<Verbs>;
}

/** Every noun, in the order of the help. */
export const NOUNS: Readonly<Record<string, Noun>> = {
  network: {
    purpose: "found, join, invite to and leave networks",
    verbs: [
      "create",
      "join",
      "list",
      "show",
      "invite",
      "invites",
      "revoke",
      "export",
      "import",
      "leave",
    ],
    load: async () => (await import("./commands/network.ts")).network,
  },
  mesh: {
    purpose: "run a node, see its peers and paths",
    verbs: ["run", "status", "peers", "ping", "stop"],
    load: async () => (await import("./commands/mesh.ts")).mesh,
  },
  relay: {
    purpose: "run a relay: introduce members and forward what it cannot read",
    verbs: ["run", "status"],
    alone: "run",
    load: async () => (await import("./commands/relay.ts")).relay,
  },
  provider: {
    purpose: "lend virtual machines to members",
    verbs: ["run", "status", "evict"],
    alone: "run",
    load: async () => (await import("./commands/provider.ts")).provider,
  },
  consumer: {
    purpose: "rent virtual machines and reach them (also: vm)",
    verbs: [
      "request",
      "list",
      "status",
      "ssh",
      "proxy",
      "ssh-config",
      "forward",
      "extend",
      "release",
      "trust",
    ],
    commandAfter: { ssh: 1 },
    load: async () => (await import("./commands/consumer.ts")).consumer,
  },
  version: {
    purpose: "say which version this is",
    verbs: [""],
    alone: "",
    load: async () => (await import("./commands/version.ts")).version,
  },
  help: {
    purpose: "explain a command; 'help errors' lists the error codes",
    verbs: [""],
    alone: "",
    load: async () => (await import("./commands/help.ts")).help,
  },
};

/** Other words for a noun. */
export const NOUN_ALIASES: Readonly<Record<string, string>> = { vm: "consumer" };

/** Single words for people, each a noun and its verb. */
export const SHORTCUTS: Readonly<Record<string, readonly [string, string]>> = {
  join: ["network", "join"],
  request: ["consumer", "request"],
  list: ["consumer", "list"],
  ssh: ["consumer", "ssh"],
  extend: ["consumer", "extend"],
  forward: ["consumer", "forward"],
  release: ["consumer", "release"],
  status: ["mesh", "status"],
};

/** Every word that may begin a command. */
export function firstWords(): string[] {
  return [...Object.keys(NOUNS), ...Object.keys(NOUN_ALIASES), ...Object.keys(SHORTCUTS)];
}

/** The noun of that name or alias, if it is one. */
export function findNoun(word: string): { name: string; noun: Noun } | undefined {
  const name = Object.hasOwn(NOUN_ALIASES, word) ? NOUN_ALIASES[word] : word;
  if (name === undefined || !Object.hasOwn(NOUNS, name)) return undefined;
  const noun = NOUNS[name];
  return noun === undefined ? undefined : { name, noun };
}
