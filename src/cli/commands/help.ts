/**
 * `omerta help [NOUN [VERB] | errors]`.
 *
 * @module
 */
import { ERRORS } from "../../base/mod.ts";
import { command, type Verbs } from "../command.ts";

const only = command({
  purpose: "explain a command, or list the error codes",
  words: "[NOUN [VERB] | errors]",
  wordsMin: 0,
  wordsMax: 2,
  node: "none",
  flags: {},
  examples: ["omerta help consumer", "omerta help consumer request", "omerta help errors --json"],
  exits: [],
  async run({ words, out, name, help }) {
    const [topic, more] = words;
    const { errorsHelp, overview, topicHelp } = await help();
    if (topic === "errors" && more === undefined) {
      const errors = Object.entries(ERRORS).map(([code, facts]) => ({ code, ...facts }));
      return out.document(`${name}.errors`, { errors }, errorsHelp);
    }
    const lines = topic === undefined ? overview() : await topicHelp(topic, more);
    out.document(name, { topic: words.join(" ") || null, text: lines.join("\n") }, () => lines);
  },
});

/** The noun `help` alone. */
export const help: Verbs = { "": only };
