/**
 * A command that needs a node: `fake_command.ts NODE-PROGRAM STATE` prints the node's socket, and ends.
 *
 * @module
 */
import { ensureNode } from "../../../src/host/process/background.ts";
import { say } from "../scratch.ts";

const [main = "", state = ""] = Deno.args;
say(await ensureNode(state, { build: "one", env: Deno.env.toObject(), main }));
