/**
 * `omerta consumer trust`: whom this node trusts to run its VMs, and whom it knows.
 *
 * @module
 */
import type { KnownProviderDoc } from "../../api/nouns/consumer.ts";
import { OmertaError } from "../../base/mod.ts";
import { command } from "../command.ts";
import { fromNow, nodeName, table } from "../format.ts";
import { must, oneOf, reference } from "../values.ts";

/** The entry of the table. */
export const trust = command({
  purpose: "show the providers that are known, or trust some from now on, or no longer",
  details: [
    "A provider can look into the VMs that it runs. Trusted ones are asked first; 'request --trust' lets nobody else serve.",
    "A name that is no whole id is pinned to the provider that it means now.",
  ],
  words: "[list | add P… | remove P…]",
  wordsMin: 0,
  wordsMax: 100,
  node: "started",
  flags: {},
  examples: [
    "omerta consumer trust",
    "omerta consumer trust add home",
    "omerta consumer trust remove home",
  ],
  exits: [3, 6, 9],
  async run({ words: [verb = "list", ...names], call, out, name, terminal, globals: { network } }) {
    const what = must("the word after trust", oneOf(["list", "add", "remove"])(verb));
    if ((what === "list") !== (names.length === 0)) {
      throw new OmertaError(
        "usage",
        what === "list" ? "trust list takes no names" : `Trust ${what} whom?`,
      );
    }
    const peers = names.map((word) => must("P", reference(word)));
    const change = { add: what === "add" ? peers : [], remove: what === "remove" ? peers : [] };
    const result = await call("consumer.trust", { network, ...change });
    out.document(name, result, () => lines(result.providers, terminal.now()));
  },
});

function lines(providers: readonly KnownProviderDoc[], nowMs: number): string[] {
  if (providers.length === 0) return ["no provider is known yet"];
  const rows = providers.map((each) => [
    nodeName(each.id, each.alias),
    each.network.name,
    each.trusted ? "yes" : "-",
    fromNow(each.served_at, nowMs),
    each.failures === 0 ? "-" : fromNow(each.failed_at, nowMs),
  ]);
  return table(["PROVIDER", "NETWORK", "TRUSTED", "SERVED", "FAILED"], rows);
}
