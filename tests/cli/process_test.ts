/** The program as a process: what needs no node, with real streams and real signals. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { VERSION } from "../../src/base/mod.ts";
import { MAIN, omerta, withState } from "./program.ts";

Deno.test("omerta alone and omerta --help explain themselves on stdout", async () => {
  const [bare, help] = await Promise.all([omerta([]), omerta(["--help"])]);
  deepStrictEqual(bare, help);
  strictEqual(help.status, 0);
  match(help.stdout, /usage: omerta NOUN/);
  strictEqual(help.stderr, "");
});

Deno.test("omerta version says the version that the project has", async () => {
  const { status, stdout } = await omerta(["version", "--json"]);
  strictEqual(status, 0);
  const document = JSON.parse(stdout);
  strictEqual(document.schema, "omerta.version/1");
  strictEqual(document.version, VERSION);
  const config = await Deno.readTextFile(new URL("../../deno.json", import.meta.url));
  strictEqual(JSON.parse(config).version, VERSION);
});

Deno.test("an unknown word is exit 2, with the nearest on stderr", async () => {
  const { status, stdout, stderr } = await omerta(["consumer", "reqest"]);
  strictEqual(status, 2);
  strictEqual(stdout, "");
  match(stderr, /Did you mean 'omerta consumer request'\?/);
  ok(!stderr.includes("\x1b"), "no colour where no terminal is");
});

Deno.test("where no node runs, mesh status is exit 4 and names the state that it looked at", () =>
  withState(async (state) => {
    const { status, stdout, stderr } = await omerta(["mesh", "status", "--json", "--state", state]);
    strictEqual(status, 4);
    const { schema, error } = JSON.parse(stdout);
    strictEqual(schema, "omerta.error/1");
    strictEqual(error.code, "no-node");
    deepStrictEqual(error.states, [state]);
    ok(stderr.includes(state));
    const byEnv = await omerta(["status", "--json"], { OMERTA_STATE: state });
    deepStrictEqual(JSON.parse(byEnv.stdout).error.states, [state]);
  }));

Deno.test("a command that needs a running node makes no state directory", () =>
  withState(async (dir) => {
    const state = `${dir}/not/there`;
    strictEqual((await omerta(["mesh", "peers", "--state", state])).status, 4);
    strictEqual((await omerta(["mesh", "stop", "--state", state])).status, 0);
    deepStrictEqual([...Deno.readDirSync(dir)], []);
  }));

Deno.test("a mistyped --state of a command that reads makes nothing", () =>
  withState(async (dir) => {
    for (const state of [dir, `${dir}/not/there`]) {
      const { status, stdout, stderr } = await omerta(["list", "--json", "--state", state]);
      strictEqual(status, 0);
      deepStrictEqual(JSON.parse(stdout).vms, []);
      ok(stderr.includes(`no state in ${state}`));
      strictEqual((await omerta(["vm", "status", "web", "--state", state])).status, 3);
    }
    deepStrictEqual([...Deno.readDirSync(dir)], []);
  }));

Deno.test("a malformed invite is exit 2 and starts nothing", () =>
  withState(async (state) => {
    const bad = "omerta://join/!";
    for (const args of [["join", bad], ["list", "--join", bad]]) {
      const { status, stdout } = await omerta([...args, "--json", "--state", state]);
      strictEqual(status, 2);
      strictEqual(JSON.parse(stdout).error.code, "bad-invite");
    }
    deepStrictEqual([...Deno.readDirSync(state)], []);
  }));

Deno.test("a reader that leaves early harms nobody", async () => {
  const line = `"${Deno.execPath()}" run -A --no-check "${MAIN}" help errors | head -n 1`;
  const { code, stdout, stderr } = await new Deno.Command("/bin/sh", { args: ["-c", line] })
    .output();
  strictEqual(code, 0);
  match(new TextDecoder().decode(stdout), /^CODE/);
  strictEqual(new TextDecoder().decode(stderr), "");
});

Deno.test("a broken package.json above the working directory is none of ours", () =>
  withState(async (dir) => {
    await Deno.writeTextFile(`${dir}/package.json`, "{ broken");
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", MAIN, "version"],
      cwd: dir,
    }).output();
    strictEqual(code, 0);
    match(new TextDecoder().decode(stdout), /^omerta /);
  }));
