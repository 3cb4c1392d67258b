/**
 * Finds exports that nothing uses but tests: what is exported is to be maintained, documented and
 * understood, and what only a test calls is tested for nobody. The imports are read as text, without the
 * compiler: names are followed through the `mod.ts` that hand them on.
 *
 * ```text
 *   module ── declares ──▶ name ◀── imports, also through `export … from` ── another module of src
 *                           └◀── names it again ── the module itself
 * ```
 *
 * Not seen: methods of classes, and members of objects.
 *
 * @module
 */

/** A module's text by its path inside the project, such as `src/base/ids.ts`. */
export type Sources = ReadonlyMap<string, string>;

/** An export that nothing uses. */
export interface DeadExport {
  readonly file: string;
  readonly name: string;
}

interface Module {
  /** The text without comments. */
  readonly code: string;
  readonly declared: ReadonlySet<string>;
  /** `export * from`. */
  readonly stars: readonly string[];
  /** `export { name } from`: where each name that is handed on comes from, and its name there. */
  readonly passed: ReadonlyMap<string, { readonly file: string; readonly name: string }>;
  readonly imports: readonly { readonly file: string; readonly name: string }[];
  /** Modules taken whole: `import * as`, `import()`. */
  readonly wholes: readonly string[];
}

const COMMENT_OR_TEXT =
  /\/\*[^]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g;
const DECLARED =
  /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:const|let|function\*?|class|interface|type)\s+(\w+)/gm;
const LISTED = /^(import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"([^"]+)"/gm;
const STARRED = /^export\s+(?:type\s+)?\*\s+from\s+"([^"]+)"/gm;
const WHOLE = /(?:^import\s+\*\s+as\s+\w+\s+from\s+|\bimport\(\s*)"([^"]+)"/gm;

/** The exports of `src/` that no module among `sources` uses, by file and name. */
export function deadExports(sources: Sources): DeadExport[] {
  const modules = new Map([...sources].map(([file, text]) => [file, parse(file, text)]));
  const used = new Set<string>();
  const use = (at: { readonly file: string; readonly name: string }) => {
    const origin = originOf(modules, at);
    if (origin !== undefined) used.add(`${origin.file} ${origin.name}`);
  };
  for (const module of modules.values()) {
    for (const imported of module.imports) use(imported);
    for (const file of module.wholes) {
      for (const name of namesOf(modules, file)) {
        if (names(module.code, name) > 0) use({ file, name });
      }
    }
  }
  return [...modules].filter(([file]) => file.startsWith("src/")).flatMap(([file, module]) =>
    [...module.declared]
      .filter((name) => !used.has(`${file} ${name}`) && names(module.code, name) < 2)
      .map((name) => ({ file, name }))
  );
}

function parse(file: string, text: string): Module {
  const code = text.replace(COMMENT_OR_TEXT, (found) => found.startsWith("/") ? " " : found);
  const passed = new Map<string, { file: string; name: string }>();
  const imports: { file: string; name: string }[] = [];
  for (const [, keyword, list = "", specifier = ""] of code.matchAll(LISTED)) {
    const from = resolve(file, specifier);
    for (const [name, alias] of listed(list)) {
      if (keyword === "import") imports.push({ file: from, name });
      else passed.set(alias, { file: from, name });
    }
  }
  const specifiers = (pattern: RegExp) =>
    [...code.matchAll(pattern)].map(([, specifier = ""]) => resolve(file, specifier));
  const declared = new Set([...code.matchAll(DECLARED)].map(([, name = ""]) => name));
  return { code, declared, passed, imports, stars: specifiers(STARRED), wholes: specifiers(WHOLE) };
}

/** `a, type b, c as d` as pairs of the name there and the name here. */
function listed(list: string): [string, string][] {
  const parts = list.split(",").map((part) => part.trim().replace(/^type\s+/, ""));
  return parts.filter((part) => part !== "").map((part) => {
    const [name = "", alias = name] = part.split(/\s+as\s+/);
    return [name, alias];
  });
}

function resolve(file: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return new URL(specifier, `file:///${file}`).pathname.slice(1);
}

/** Where a name that a module exports was declared. */
function originOf(
  modules: ReadonlyMap<string, Module>,
  { file, name }: { readonly file: string; readonly name: string },
): { readonly file: string; readonly name: string } | undefined {
  const module = modules.get(file);
  if (module === undefined) return undefined;
  if (module.declared.has(name)) return { file, name };
  const passed = module.passed.get(name);
  if (passed !== undefined) return originOf(modules, passed);
  for (const star of module.stars) {
    const origin = originOf(modules, { file: star, name });
    if (origin !== undefined) return origin;
  }
  return undefined;
}

/** All names that a module exports. */
function namesOf(modules: ReadonlyMap<string, Module>, file: string): string[] {
  const module = modules.get(file);
  if (module === undefined) return [];
  const starred = module.stars.flatMap((star) => namesOf(modules, star));
  return [...module.declared, ...module.passed.keys(), ...starred];
}

/** How often a word stands in the code. */
function names(code: string, word: string): number {
  return code.match(new RegExp(`\\b${word}\\b`, "g"))?.length ?? 0;
}
