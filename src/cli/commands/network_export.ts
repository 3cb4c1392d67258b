/**
 * `omerta network export` and `import`: a network's authority as text, to keep or to move it.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import { command } from "../command.ts";
import { networkOf } from "../invocation.ts";

/** Longest exported network: a guess, far above what one has. */
const EXPORT_BYTES_MAX = 16 * 1024 * 1024;

/** `omerta network export`. */
export const exporting = command({
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

/** `omerta network import`. */
export const importing = command({
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
