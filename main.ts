/**
 * The program: argv to the command line.
 *
 * @module
 */
import { main, systemNode } from "./src/cli/mod.ts";
import { systemTerminal } from "./src/host/terminal.ts";

if (import.meta.main) {
  const terminal = systemTerminal(import.meta.url);
  const openNode = (state: string | null) => systemNode(terminal, state);
  Deno.exit(await main(Deno.args, { terminal, openNode }));
}
