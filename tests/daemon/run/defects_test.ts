/** Nothing that is thrown where nobody waits ends a node, and nothing of it stays unseen. */
import { ok, strictEqual } from "node:assert/strict";
import { withDirectory } from "../../host/scratch.ts";

const NODE = new URL("throwing_node.ts", import.meta.url).pathname;

Deno.test("what is thrown where nobody awaits is logged as a defect, and the node goes on", () =>
  withDirectory(async (state) => {
    const args = ["run", "-A", "--no-check", NODE, state];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    const text = new TextDecoder().decode(stdout);
    strictEqual(code, 0, `${text}${new TextDecoder().decode(stderr)}`);
    ok(text.includes("still serves: true"), text);
    for (const where of ["a timer", "a microtask", "a listener", "a signal"]) {
      const line = text.split("\n").find((line) =>
        line.includes(`thrown in ${where}`) ||
        line.includes(`thrown at ${where}`)
      );
      ok(line?.includes("a defect of omerta"), `${where}: ${text}`);
    }
    ok(/a defect of omerta .*rejected and not awaited/.test(text), text);
  }));
