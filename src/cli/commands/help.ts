/**
 * `omerta help [NOUN [VERB] | errors]`.
 *
 * @module
 */
import { ERRORS, OmertaError } from "../../base/mod.ts";
import { command, type Verbs } from "../command.ts";
import { commandHelp, errorsHelp, nounHelp, overview } from "../help_text.ts";
import { nearest } from "../nearest.ts";
import { findNoun, firstWords, SHORTCUTS } from "../nouns.ts";
import { quoted } from "../values.ts";

const only = command({
  purpose: "explain a command, or list the error codes",
  words: "[NOUN [VERB] | errors]",
  wordsMin: 0,
  wordsMax: 2,
  node: "none",
  flags: {},
  examples: ["omerta help consumer", "omerta help consumer request", "omerta help errors --json"],
  exits: [],
  async run({ words, out, name }) {
    const [topic, more] = words;
    if (topic === "errors") {
      if (more !== undefined) throw unknownTopic(`errors ${more}`, ["errors"]);
      const errors = Object.entries(ERRORS).map(([code, facts]) => ({ code, ...facts }));
      return out.document(`${name}.errors`, { errors }, errorsHelp);
    }
    const lines = topic === undefined ? overview() : await topicHelp(topic, more);
    out.document(name, { topic: words.join(" ") || null, text: lines.join("\n") }, () => lines);
  },
});

async function topicHelp(topic: string, second: string | undefined): Promise<string[]> {
  const shortcut = Object.hasOwn(SHORTCUTS, topic) ? SHORTCUTS[topic] : undefined;
  const [word, verb] = shortcut !== undefined && second === undefined ? shortcut : [topic, second];
  const found = findNoun(word);
  if (found === undefined) throw unknownTopic(word, [...firstWords(), "errors"]);
  const { name, noun } = found;
  const verbs = await noun.load();
  if (verb === undefined && noun.alone !== "") return nounHelp(name, noun, verbs);
  const command = Object.hasOwn(verbs, verb ?? "") ? verbs[verb ?? ""] : undefined;
  if (command === undefined) throw unknownTopic(`${verb}`, noun.verbs);
  return commandHelp(`${name} ${verb ?? ""}`.trim(), command);
}

function unknownTopic(word: string, known: readonly string[]): OmertaError {
  const near = nearest(word, known);
  const hint = near === undefined ? "See 'omerta help'." : `Did you mean '${near}'?`;
  return new OmertaError("usage", `There is no help about ${quoted(word)}`, { hint });
}

/** The noun `help` alone. */
export const help: Verbs = { "": only };
