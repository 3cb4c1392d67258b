/** A node that starts a VM and then does nothing, for a test that kills it. */
import { startHelper } from "../../../src/host/vm/helper.ts";
import { say } from "../scratch.ts";
import { specText } from "./vm_rig.ts";

const [helper = "", dir = ""] = Deno.args;
const spec = specText(JSON.parse(Deno.env.get("SPEC") ?? "{}"));
await startHelper({ helper, dir, spec });
say("started");
setInterval(() => {}, 1e6);
