/** What surrounds a command, as it really is. */
import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { OmertaError } from "../../src/base/mod.ts";
import { systemTerminal } from "../../src/host/terminal.ts";
import { withDirectory } from "./scratch.ts";

const MAIN = new URL("../../main.ts", import.meta.url);

function isUsage(error: unknown): boolean {
  return error instanceof OmertaError && error.code === "usage";
}

Deno.test("the program starts again from any directory: all its paths are absolute", async () => {
  const { program } = systemTerminal(MAIN.href);
  const [deno = "", ...args] = program;
  ok(deno.startsWith("/"));
  const command = new Deno.Command(deno, { args: [...args, "version"], cwd: "/" });
  match(new TextDecoder().decode((await command.output()).stdout), /^omerta /);
});

Deno.test("readFile() reads a whole file and no more than it may", () =>
  withDirectory(async (dir) => {
    const { readFile, exists } = systemTerminal(MAIN.href);
    await Deno.writeTextFile(`${dir}/file`, "ä".repeat(50_000));
    strictEqual((await readFile(`${dir}/file`, 100_000)).length, 50_000);
    await rejects(readFile(`${dir}/file`, 99_999), isUsage);
    await rejects(readFile(`${dir}/none`, 10), isUsage);
    await rejects(readFile(dir, 10), isUsage);
    strictEqual(await exists(`${dir}/file`), true);
    strictEqual(await exists(`${dir}/none`), false);
  }));

Deno.test("output onto a full disk is one sentence and exit 10, without a stack", async () => {
  const { program } = systemTerminal(MAIN.href);
  for (const flags of ["", "--json"]) {
    const script = '"$@" > /dev/full';
    const args = ["-c", script, "sh", ...program, "version", ...flags === "" ? [] : [flags]];
    const { code, stderr } = await new Deno.Command("/bin/sh", { args }).output();
    const text = new TextDecoder().decode(stderr);
    strictEqual(code, 10, text);
    match(text, /^omerta: Cannot write to stdout: no space is left there\.\n[^\n]+\n$/);
  }
});

Deno.test("a child's end is its status, or 128 and its signal; named variables are not inherited", async () => {
  const { start } = systemTerminal(MAIN.href);
  Deno.env.set("OMERTA_TEST_SECRET", "x");
  try {
    const script = 'exit "${OMERTA_TEST_SECRET:-7}"';
    const child = start(["/bin/sh", "-c", script], ["OMERTA_TEST_SECRET"]);
    strictEqual((await child.ended).status, 7);
    child.kill("SIGTERM"); // too late: nothing happens
    const killed = start(["/bin/sh", "-c", "kill -TERM $$"], []);
    strictEqual((await killed.ended).status, 143);
  } finally {
    Deno.env.delete("OMERTA_TEST_SECRET");
  }
});
