/**
 * What a node must never have logged: a defect of ours, or a panic of native code. Nodes go on after
 * the former, so that nothing else would notice it.
 *
 * @module
 */

/** Words of `daemon/run/run_node.ts`, `cli/failure.ts`, the Go runtime and Deno. */
const DEFECT =
  /a defect of omerta|^panic: |^fatal error: |^goroutine \d+ \[running\]|^thread '.*' panicked/im;
/** Of a line, so much is shown. */
const SHOWN_CHARACTERS = 600;

/** The lines of all logs below a directory that tell of a defect, each with its file. */
export function defectsIn(directory: string): string[] {
  return logsBelow(directory).flatMap((path) => {
    const lines = Deno.readTextFileSync(path).split("\n");
    return lines.filter((line) => DEFECT.test(line))
      .map((line) => `${path}: ${line.slice(0, SHOWN_CHARACTERS)}`);
  });
}

/** `log` (what commands and foreground nodes said) and `node.log`, rotated ones too. */
function logsBelow(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory, isFile }) => {
    const path = `${directory}/${name}`;
    if (isDirectory) return logsBelow(path);
    return isFile && /^(node\.)?log(\.\d+|\.old)?$/.test(name) ? [path] : [];
  });
}
