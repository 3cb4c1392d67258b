/**
 * `omerta version`.
 *
 * @module
 */
import { VERSION } from "../../base/mod.ts";
import { command, type Verbs } from "../command.ts";

const only = command({
  purpose: "say which version this is",
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "none",
  flags: {},
  examples: ["omerta version", "omerta version --json"],
  exits: [],
  async run({ out, name, terminal }) {
    const { buildId } = await import("../../host/build.ts");
    const build = buildId();
    const { deno, os, arch } = terminal.platform;
    const document = { version: VERSION, build, deno, os, arch };
    out.document(name, document, () => [`omerta ${VERSION}`]);
    out.detail(`build ${build}, deno ${deno}, ${os} ${arch}`);
  },
});

/** The noun `version` alone. */
export const version: Verbs = { "": only };
