import assert from "node:assert/strict";
import { arrowsOf, findCircle } from "../../scripts/lib/circles.ts";

const ROOT = new URL("../../", import.meta.url);

function modules(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, ROOT))].flatMap(({ name, isDirectory }) =>
    isDirectory ? modules(`${folder}${name}/`) : name.endsWith(".ts") ? [`${folder}${name}`] : []
  );
}

function circleIn(sources: Readonly<Record<string, string>>): string[] | undefined {
  return findCircle(arrowsOf(new Map(Object.entries(sources))));
}

Deno.test("no modules of src import each other, by whatever detour", () => {
  const sources = new Map(
    modules("src/").map((file) => [file, Deno.readTextFileSync(new URL(file, ROOT))]),
  );
  assert.ok(sources.size > 100, "the modules of src were not found");
  assert.equal(findCircle(arrowsOf(sources)), undefined);
});

Deno.test("findCircle() sees values, types, what is handed on, and what is loaded late", () => {
  const b = `import { a } from "./a.ts";`;
  for (
    const a of [
      `import { b } from "./b.ts";`,
      `import type { B } from "./b.ts";`,
      `export * from "./b.ts";`,
      `export { b } from "../x/b.ts";`,
      `const b = await import("./b.ts");`,
      `import {\n  b,\n} from "./b.ts";`,
    ]
  ) assert.deepEqual(circleIn({ "src/x/a.ts": a, "src/x/b.ts": b }), ["src/x/a.ts", "src/x/b.ts"]);
});

Deno.test("findCircle() sees a detour, and no circle where two ways lead to one module", () => {
  const to = (...names: string[]) =>
    names.map((name) => `import {} from "./${name}.ts";`).join("\n");
  const detour = { "a.ts": to("b"), "b.ts": to("c"), "c.ts": to("d", "b"), "d.ts": "" };
  assert.deepEqual(circleIn(detour), ["b.ts", "c.ts"]);
  assert.equal(
    circleIn({ "a.ts": to("b", "c"), "b.ts": to("d"), "c.ts": to("d"), "d.ts": "" }),
    undefined,
  );
});
