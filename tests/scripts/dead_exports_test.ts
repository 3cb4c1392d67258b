/** No export of `src/` is there for tests alone. */
import { strict as assert } from "node:assert";
import { deadExports } from "../../scripts/lib/dead_exports.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Exports that nothing uses, and why they stay. */
const WAIVED: Readonly<Record<string, string>> = {
  "src/membership/revocation.ts signRevocation":
    "nobody revokes a member yet; what verifies, keeps and obeys such a word is there and tested",
  "src/market/vm_state.ts VM_EVENTS": "the tests go through each state by each event",
};

async function sources(): Promise<Map<string, string>> {
  const found = new Map([["main.ts", await Deno.readTextFile(`${ROOT}main.ts`)]]);
  for (const folder of ["src", "scripts"]) await gather(folder, found);
  return found;
}

async function gather(folder: string, found: Map<string, string>): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(ROOT + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) await gather(path, found);
    else if (name.endsWith(".ts")) found.set(path, await Deno.readTextFile(ROOT + path));
  }
}

Deno.test("every export is used by something else than tests", async () => {
  const dead = deadExports(await sources()).map(({ file, name }) => `${file} ${name}`);
  const unwaived = dead.filter((each) => !Object.hasOwn(WAIVED, each));
  assert.deepEqual(unwaived, [], "used by tests at most: remove it, or use it");
  const needless = Object.keys(WAIVED).filter((each) => !dead.includes(each));
  assert.deepEqual(needless, [], "waived, and used after all, or gone");
});

/** What is found dead in modules given as text. */
function deadIn(modules: Record<string, string>): string[] {
  return deadExports(new Map(Object.entries(modules))).map(({ file, name }) => `${file} ${name}`);
}

Deno.test("deadExports() finds what nothing imports, through modules that hand on", () => {
  const a = "export const used = 1;\nexport const dead = 2;\nexport interface Shape {}\n";
  const mod = 'export * from "./a.ts";\n';
  const user = 'import { used as mine, type Shape } from "../a/mod.ts";\nmine as Shape;\n';
  const modules = { "src/a/a.ts": a, "src/a/mod.ts": mod, "src/b/b.ts": user };
  assert.deepEqual(deadIn(modules), ["src/a/a.ts dead"]);
});

Deno.test("deadExports() takes what its own module uses, and a module taken whole, for used", () => {
  assert.deepEqual(deadIn({ "src/a.ts": "export const LIMIT = 3;\nconst b = LIMIT;\n" }), []);
  const whole = 'const { f } = await import("./a.ts");\n';
  const modules = { "src/a.ts": "export function f() {}\nexport class G {}\n", "src/b.ts": whole };
  assert.deepEqual(deadIn(modules), ["src/a.ts G"]);
  const star = 'import * as a from "./a.ts";\na.G;\n';
  assert.deepEqual(deadIn({ ...modules, "src/c.ts": star }), []);
});

Deno.test("deadExports() reads no comments, and follows names that are handed on alone", () => {
  const a = "/** `f` is used by g. */\nexport function f() {} // f\nexport function g() {}\n";
  const mod = 'export { g as h } from "./a.ts";\n';
  const user = 'import { h } from "./mod.ts";\nh();\n';
  const modules = { "src/a.ts": a, "src/mod.ts": mod, "src/b.ts": user };
  assert.deepEqual(deadIn(modules), ["src/a.ts f"]);
});
