/** What a command loads before it does anything: the price of every start, also of `help`. */
import { deepStrictEqual, ok } from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier?: string };
    readonly isDynamic?: boolean;
  }[];
}

/** The modules that run when one is loaded: types and what is imported later aside. */
async function loadedBy(roots: readonly string[]): Promise<Map<string, Set<string>>> {
  const loaded = new Map<string, Set<string>>();
  for (const root of roots) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", new URL(root, ROOT).href],
    }).output();
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] };
    const all = new Map(modules.map((module) => [module.specifier, module]));
    const seen = new Set([new URL(root, ROOT).href]);
    for (const specifier of seen) {
      for (const { code, isDynamic } of all.get(specifier)?.dependencies ?? []) {
        if (code?.specifier !== undefined && isDynamic !== true) seen.add(code.specifier);
      }
    }
    loaded.set(root, seen);
  }
  return loaded;
}

Deno.test("neither the start, the light client nor a command loads a package, node: or a schema", async () => {
  const commands = [...Deno.readDirSync(new URL("src/cli/commands/", ROOT))]
    .map(({ name }) => `src/cli/commands/${name}`);
  const loaded = await loadedBy(["main.ts", "src/api/client.ts", ...commands]);
  ok(loaded.size > 10);
  for (const [root, modules] of loaded) {
    ok(modules.size > 1, `${root} loads something`);
    const heavy = [...modules].filter((each) =>
      !each.startsWith("file:") || each.includes("/src/api/nouns/")
    );
    deepStrictEqual(heavy, [], root);
  }
});
