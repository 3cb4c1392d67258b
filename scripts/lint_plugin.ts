/**
 * The house rules that a machine can check, as a plugin of `deno lint`:
 *
 * - `omerta/arrows`: a folder of `src/` imports only from the folders below it (the table here), and
 *   the inner parts through their `mod.ts`;
 * - `omerta/pure-core`: no clock, timer, randomness, network, file or foreign package in a core;
 * - `omerta/rooms`: a room of `src/daemon/` enters only the rooms that the table here allows;
 * - `omerta/host-only`: the runtime and its timers are used in `host/`, `daemon/run/` and `cli/` only, and
 *   only `daemon/run/` names the loop;
 * - `omerta/path-text`: only `src/wire/path.ts` looks into, or puts together, the text of a path;
 * - `omerta/use-cases`: a room of use cases stands on ports: no runtime, clock or timer of its own, no
 *   document of the API;
 * - `omerta/function-length`: no function of more than 60 lines (tests may);
 * - `omerta/file-length`: no file of `src/` of more than 400 lines;
 * - `omerta/documented`: a module of `src/` begins by saying what it is, and what it exports has a comment.
 *
 * Scopes are not analysed: in a core even a local called `Date` or `fetch` is refused, so that nothing
 * can hide behind a shadow. Deno marks lint plugins unstable: the version of Deno is pinned.
 *
 * @module
 */

/** What each part may import. Source: the table of `src/README.md`. What is not named here may not be. */
const BELOW_CORES: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ["base"],
  crypto: ["base", "wire"],
};
/** The cores never import each other: they meet in `node`. */
const CORES: Readonly<Record<string, readonly string[]>> = {
  rpc: ["base", "wire"],
  session: ["base", "wire", "crypto"],
  membership: ["base", "wire", "crypto"],
  gossip: ["base", "wire"],
  path: ["base", "wire"],
  relay: ["base", "wire"],
  reach: ["base", "wire"],
  tunnel: ["base", "wire", "crypto"],
  market: ["base"],
  vm: ["base"],
};
const BELOW_NODE = [...Object.keys(BELOW_CORES), ...Object.keys(CORES)];
const BELOW_HOST = [...BELOW_NODE, "node"];
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  ...BELOW_CORES,
  ...CORES,
  node: BELOW_NODE,
  sim: BELOW_HOST,
  host: BELOW_HOST,
  api: [...BELOW_HOST, "host"],
  daemon: [...BELOW_HOST, "host", "api"],
  cli: [...BELOW_NODE, "host", "api", "daemon"],
};

/**
 * The rooms of `daemon/`, and which of them each may enter; files beside the rooms are open to all.
 * The use cases do not know each other.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  streams: [],
  networks: [],
  renting: ["streams"],
  lending: ["streams"],
  run: ["streams", "networks", "renting", "lending", "api"],
  api: ["streams", "networks", "renting", "lending", "run"],
};

/** The rooms of use cases: they decide, and what is done is done by the ports that they are handed. */
const USE_CASES = new Set(["lending", "networks", "renting", "streams"]);
/** Globals by which a use case would do by itself what a port does for it. */
const PORTS_HAVE = new Set([
  ..."Deno setTimeout setInterval clearTimeout clearInterval performance Date crypto".split(" "),
]);

/** Who stands at the runtime: its files, processes and timers. */
const AT_RUNTIME = /^src\/(host|cli|daemon\/run)\//;
/** What the runtime has and a port hands on. */
const RUNTIME_HAS = new Set("Deno setTimeout setInterval clearTimeout clearInterval".split(" "));
/** The loop, of which only `daemon/run/` knows. */
const LOOP_FILE = "run/loop.ts";

/** Lines of a file: beyond that it is two. */
const FILE_LINES_MAX = 400;
/** The parts that may not touch the outside world, with the packages that they may name after all. */
const PURE: Readonly<Record<string, readonly RegExp[]>> = {
  ...Object.fromEntries(["base", "wire", "sim", ...Object.keys(CORES)].map((part) => [part, []])),
  node: [/^valibot$/],
  crypto: [/^node:crypto$/, /^@noble\/(ciphers|curves|hashes)\//],
};

/** Globals by which a core would learn of time, chance or the world. */
const IMPURE = new Set([
  ..."Deno process fetch WebSocket EventSource Worker navigator location localStorage".split(" "),
  ..."sessionStorage caches BroadcastChannel setTimeout setInterval clearTimeout".split(" "),
  ..."clearInterval setImmediate queueMicrotask performance Date Temporal crypto eval".split(" "),
  ..."Function console alert confirm prompt require WebAssembly".split(" "),
]);

/** Names of the global object, through which any of the above could be reached. */
const GLOBAL_OBJECTS = new Set(["globalThis", "self", "window", "global"]);

/** Lines, including the signature: the style page's "think again". */
const FUNCTION_LINES_MAX = 60;

const ROOT = new URL("../", import.meta.url).pathname;

type Context = Deno.lint.RuleContext;
type Node = Deno.lint.Node;

/** The path of a file inside the project, or its whole path where it lies outside. */
function projectPath(filename: string): string {
  return filename.startsWith(ROOT) ? filename.slice(ROOT.length) : filename;
}

/** The folder of `src/` in which a file lies: `path` for `src/path/probe.ts`. */
function partOf(filename: string): string | undefined {
  return /^src\/([^/]+)\//.exec(projectPath(filename))?.[1];
}

/** Calls `visit` with every module that a file names: static, dynamic, re-exported, in types. */
function onImports(visit: (specifier: string | undefined, node: Node) => void) {
  const fromSource = (node: { source: Deno.lint.StringLiteral | null }) => {
    if (node.source !== null) visit(node.source.value, node.source);
  };
  return {
    ImportDeclaration: fromSource,
    ExportAllDeclaration: fromSource,
    ExportNamedDeclaration: fromSource,
    ImportExpression(node: Deno.lint.ImportExpression) {
      visit(literalText(node.source), node);
    },
    TSImportType(node: Deno.lint.TSImportType) {
      visit(literalText(node.argument), node);
    },
  };
}

/** The text of a string literal, or of a template without holes. */
function literalText(node: Node | undefined): string | undefined {
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  if (node?.type === "TSLiteralType") return literalText(node.literal);
  if (node?.type !== "TemplateLiteral" || node.expressions.length > 0) return undefined;
  return node.quasis[0]?.cooked;
}

/** What an arrow of a file leads to: another part, and the file in it. */
interface Target {
  readonly part: string;
  readonly file: string;
}

function targetOf(filename: string, specifier: string): Target | undefined {
  if (!/^\.{0,2}\//.test(specifier) && !specifier.startsWith("file:")) return undefined;
  const path = projectPath(new URL(specifier, `file://${filename}`).pathname);
  const match = /^src\/([^/]+)\/(.+)$/.exec(path);
  return match === null ? { part: "", file: path } : { part: match[1] ?? "", file: match[2] ?? "" };
}

/** Why an import is against the arrows, or `undefined` where it is with them. */
function arrowFault(from: string, target: Target, isDynamic: boolean): string | undefined {
  if (target.part === from) return undefined;
  const allowed = ARROWS[from];
  if (allowed === undefined) return `src/${from} is not in the table of arrows`;
  if (!allowed.includes(target.part)) {
    return `src/${from} may not import ${target.part === "" ? target.file : `src/${target.part}`}`;
  }
  const isInner = target.part in PURE;
  // Fast start: outside the cores, the few files of base are named singly, and the command line
  // loads any single file on demand.
  const isShortcut = !(from in PURE) && (target.part === "base" || (from === "cli" && isDynamic));
  if (isInner && !isShortcut && target.file !== "mod.ts") {
    return `src/${target.part} is imported through its mod.ts`;
  }
  return undefined;
}

const arrows: Deno.lint.Rule = {
  create(context: Context) {
    const from = partOf(context.filename);
    if (from === undefined) return {};
    return onImports((specifier, node) => {
      if (specifier === undefined) return;
      const target = targetOf(context.filename, specifier);
      if (target === undefined) return;
      const message = arrowFault(from, target, node.type === "ImportExpression");
      if (message !== undefined) context.report({ node, message });
    });
  },
};

/** The room of `src/daemon/` in which a file lies; `""` beside the rooms. */
function roomOf(path: string): string | undefined {
  return /^src\/daemon\/(?:([^/]+)\/)?[^/]+$/.exec(path)?.slice(1, 2)[0] ??
    (path.startsWith("src/daemon/") ? "" : undefined);
}

const rooms: Deno.lint.Rule = {
  create(context: Context) {
    const from = roomOf(projectPath(context.filename));
    if (from === undefined || from === "") return {};
    return onImports((specifier, node) => {
      const target = specifier === undefined ? undefined : targetOf(context.filename, specifier);
      if (target?.part !== "daemon") return;
      const to = roomOf(`src/daemon/${target.file}`) ?? "";
      if (to === "" || to === from || ROOMS[from]?.includes(to)) return;
      context.report({ node, message: `daemon/${from} may not enter daemon/${to}` });
    });
  },
};

const useCases: Deno.lint.Rule = {
  create(context: Context) {
    const room = roomOf(projectPath(context.filename)) ?? "";
    if (!USE_CASES.has(room)) return {};
    const refuse = (node: Node, what: string) =>
      context.report({ node, message: `daemon/${room} stands on ports: it may not use ${what}` });
    return {
      ...onImports((specifier, node) => {
        const target = specifier === undefined ? undefined : targetOf(context.filename, specifier);
        if (target?.part === "api") refuse(node, "documents of the API");
      }),
      Identifier(node) {
        if (PORTS_HAVE.has(node.name) && !isPropertyName(node)) refuse(node, node.name);
      },
      MemberExpression(node) {
        if (isTimeout(node)) refuse(node, "AbortSignal.timeout");
      },
    };
  },
};

/** `AbortSignal.timeout`, a timer by another name. */
function isTimeout({ object, property }: Deno.lint.MemberExpression): boolean {
  return object.type === "Identifier" && object.name === "AbortSignal" &&
    property.type === "Identifier" && property.name === "timeout";
}

const hostOnly: Deno.lint.Rule = {
  create(context: Context) {
    const path = projectPath(context.filename);
    const part = partOf(context.filename);
    if (part === undefined || AT_RUNTIME.test(path)) return {};
    if (USE_CASES.has(roomOf(path) ?? "")) return {}; // use-cases is stricter
    const refuse = (node: Node, what: string) =>
      context.report({ node, message: `${what} is for host/, daemon/run/ and cli/` });
    return {
      ...onImports((specifier, node) => {
        const target = specifier === undefined ? undefined : targetOf(context.filename, specifier);
        const isLoop = target?.part === "daemon" && target.file === LOOP_FILE;
        if (isLoop) context.report({ node, message: "only daemon/run/ names the loop" });
      }),
      Identifier(node) {
        if (part in PURE || isPropertyName(node)) return; // pure-core says it
        if (RUNTIME_HAS.has(node.name)) refuse(node, node.name);
      },
      MemberExpression(node) {
        if (isTimeout(node)) refuse(node, "AbortSignal.timeout");
      },
    };
  },
};

const fileLength: Deno.lint.Rule = {
  create(context: Context) {
    if (partOf(context.filename) === undefined) return {};
    return {
      Program(node) {
        const lines = context.sourceCode.text.trimEnd().split("\n").length;
        if (lines <= FILE_LINES_MAX) return;
        context.report({
          node,
          message: `a file of ${lines} lines; the limit is ${FILE_LINES_MAX}`,
        });
      },
    };
  },
};

/** Whether an identifier is only the name of a property, and so names nothing global. */
function isPropertyName(node: Deno.lint.Identifier): boolean {
  const parent = node.parent as Node & Record<string, unknown>;
  const isKey = "key" in parent && isSame(parent["key"], node) && parent["computed"] !== true &&
    parent["shorthand"] !== true;
  const isMember = parent.type === "MemberExpression" && isSame(parent.property, node) &&
    !parent.computed;
  const isQualified = parent.type === "TSQualifiedName" && isSame(parent.right, node);
  const isImported = parent.type === "ImportSpecifier" && isSame(parent.imported, node) &&
    !isSame(parent.local, node);
  return isKey || isMember || isQualified || isImported;
}

/** The same place in the source: nodes may be made anew at each access. */
function isSame(a: unknown, b: Node): boolean {
  const other = a as Node | null | undefined;
  return other?.range !== undefined && other.range[0] === b.range[0] &&
    other.range[1] === b.range[1];
}

function impurityOfImport(part: string, specifier: string | undefined): string | undefined {
  if (specifier === undefined) return "an import whose module is computed";
  if (/^\.{0,2}\//.test(specifier)) return undefined;
  const allowed = PURE[part] ?? [];
  return allowed.some((pattern) => pattern.test(specifier)) ? undefined : `"${specifier}"`;
}

/** `Math` as a value: taken apart, renamed, handed on. */
function isWholeMath(node: Deno.lint.Identifier): boolean {
  const parent = node.parent;
  return node.name === "Math" &&
    !(parent.type === "MemberExpression" && isSame(parent.object, node));
}

/** `Math.random`, also as `Math["random"]` or with a computed name. */
function isMathRandom(node: Deno.lint.MemberExpression): boolean {
  if (node.object.type !== "Identifier" || node.object.name !== "Math") return false;
  if (!node.computed) return node.property.type === "Identifier" && node.property.name === "random";
  const name = literalText(node.property);
  return name === undefined || name === "random";
}

const pureCore: Deno.lint.Rule = {
  create(context: Context) {
    const part = partOf(context.filename);
    if (part === undefined || !(part in PURE)) return {};
    const refuse = (node: Node, what: string) =>
      context.report({ node, message: `src/${part} is pure: it may not use ${what}` });
    const refuseAsync = (node: Node & { async: boolean }) => {
      if (node.async) refuse(node, "async functions");
    };
    return {
      ...onImports((specifier, node) => {
        const what = impurityOfImport(part, specifier);
        if (what !== undefined) refuse(node, what);
      }),
      Identifier(node) {
        if (isPropertyName(node)) return;
        if (IMPURE.has(node.name) || GLOBAL_OBJECTS.has(node.name)) refuse(node, node.name);
        if (isWholeMath(node)) refuse(node, "Math whole, for it holds Math.random");
      },
      MemberExpression(node) {
        if (isMathRandom(node)) refuse(node, "Math.random");
      },
      FunctionDeclaration: refuseAsync,
      FunctionExpression: refuseAsync,
      ArrowFunctionExpression: refuseAsync,
    };
  },
};

/** Where the text of a path means nothing: what people read and type, and what a guest gets. */
const PATHLESS = new Set(["api", "cli", "vm", "crypto", "market", "membership"]);

/** A separator of a path's text, alone. */
function isPathMark(text: string | undefined): boolean {
  return text === "#" || text === "~" || text === "t:";
}

const pathText: Deno.lint.Rule = {
  create(context: Context) {
    const part = partOf(context.filename);
    const isOwner = projectPath(context.filename) === "src/wire/path.ts";
    if (part === undefined || isOwner || PATHLESS.has(part)) return {};
    const look = (node: Node, text: string | undefined) => {
      if (!isPathMark(text)) return;
      context.report({ node, message: "src/wire/path.ts alone knows how a path is written" });
    };
    return {
      Literal(node) {
        if (typeof node.value === "string") look(node, node.value);
      },
      TemplateElement(node) {
        look(node, node.cooked);
      },
    };
  },
};

const functionLength: Deno.lint.Rule = {
  create(context: Context) {
    const path = projectPath(context.filename);
    if (path.startsWith("tests/") || path.endsWith("_test.ts")) return {};
    const measure = (node: Node) => {
      const lines = context.sourceCode.getText(node).split("\n").length;
      if (lines <= FUNCTION_LINES_MAX) return;
      const message = `a function of ${lines} lines; the limit is ${FUNCTION_LINES_MAX}`;
      context.report({ node, message });
    };
    return {
      FunctionDeclaration: measure,
      FunctionExpression: measure,
      ArrowFunctionExpression: measure,
    };
  },
};

/** Whether a doc comment stands right before a node. */
function hasDoc(context: Context, node: Node): boolean {
  const comment = context.sourceCode.getCommentsBefore(node).at(-1);
  return comment?.type === "Block" && comment.value.startsWith("*") &&
    !comment.value.includes("@module");
}

const documented: Deno.lint.Rule = {
  create(context: Context) {
    if (partOf(context.filename) === undefined) return {};
    const seen = new Set<string>(); // of an overloaded function, the first signature speaks for all
    return {
      Program(node) {
        const begins = /^\s*\/\*\*[^]*?\*\//.exec(context.sourceCode.text)?.[0];
        if (begins?.includes("@module")) return;
        context.report({ node, message: "a module begins with a comment, ended by @module" });
      },
      ExportNamedDeclaration(node) {
        if (node.declaration === null) return;
        const name = /(?:function|class|interface|type|const|let)\*?\s+(\w+)/
          .exec(context.sourceCode.getText(node))?.[1] ?? "";
        if (hasDoc(context, node)) seen.add(name);
        if (!seen.has(name)) {
          context.report({ node, message: `exported ${name} has no doc comment` });
        }
        seen.add(name);
      },
    };
  },
};

/** The plugin, under the name by which its rules are ignored: `// deno-lint-ignore omerta/…`. */
const plugin: Deno.lint.Plugin = {
  name: "omerta",
  rules: {
    arrows,
    rooms,
    "use-cases": useCases,
    "host-only": hostOnly,
    "pure-core": pureCore,
    "path-text": pathText,
    "function-length": functionLength,
    "file-length": fileLength,
    documented,
  },
};

// Deno asks a lint plugin for its default export: the one place where the house has one.
export default plugin;
