/** The page for whoever works on the project next names files: each is there. */
import { deepStrictEqual, ok } from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);
/** Below which folders a name is looked for: names stand as short as the page says. */
const BASES = ["src/", "", "ffi/net/", "ffi/vm/"];

/** What is named in backticks as a file: with an ending of ours, perhaps in a folder. */
function filesNamed(page: string): string[] {
  const words = [...page.matchAll(/`([^`\n]+)`/g)].map(([, word = ""]) => word);
  return words.filter((word) =>
    /^[\w./-]+\.(ts|go|c|h)$/.test(word) || /^[a-z]\w*(\/[\w.-]+)*\/$/.test(word)
  );
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(new URL(path, ROOT));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The files that are named without their folder, by the folder that the same line or table row names. */
function isThereBeside(name: string, folders: ReadonlySet<string>): boolean {
  return [...folders].some((folder) => isThere(`${folder}${name}`));
}

Deno.test("every file that src/README.md names is there", () => {
  const page = Deno.readTextFileSync(new URL("src/README.md", ROOT));
  const missing: string[] = [];
  let count = 0;
  let folders = new Set<string>();
  for (const line of page.split("\n")) {
    if (line.trim() === "" || line.startsWith("|")) folders = new Set();
    for (const name of filesNamed(line)) {
      count++;
      const path = BASES.map((base) => `${base}${name}`).find(isThere);
      if (path !== undefined) folders.add(path.slice(0, path.lastIndexOf("/") + 1));
      else if (!isThereBeside(name, folders)) missing.push(name);
    }
  }
  ok(count > 100, `only ${count} names`);
  deepStrictEqual(missing, []);
});

Deno.test("a file that src/README.md says is still to be made is not there", () => {
  const page = Deno.readTextFileSync(new URL("src/README.md", ROOT));
  const planned = [...page.matchAll(/`\+ ([^`\n]+)`/g)].map(([, name = ""]) => name);
  ok(planned.length > 0);
  deepStrictEqual(planned.filter((name) => isThere(`src/${name}`)), []);
});
