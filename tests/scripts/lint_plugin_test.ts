/** The house rules flag what they must, and nothing else. */
import plugin from "../../scripts/lint_plugin.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What the rule in question says: sources here are too short to be documented. */
function findings(path: string, source: string, rule?: string): string[] {
  const all = Deno.lint.runPlugin(plugin, ROOT + path, source);
  const relevant = rule === "documented"
    ? all
    : all.filter((one) => one.id !== "omerta/documented");
  return relevant.map((found) => `${found.id}: ${found.message}`);
}

function assertFlags(path: string, source: string, rule: string): void {
  const found = findings(path, source, rule);
  if (found.length === 0 || !found.every((line) => line.startsWith(`omerta/${rule}:`))) {
    throw new Error(`${path}: ${source}\nexpected ${rule}, found ${JSON.stringify(found)}`);
  }
}

function assertClean(path: string, source: string, rule?: string): void {
  const found = findings(path, source, rule);
  if (found.length > 0) throw new Error(`${path}: ${source}\nfound ${JSON.stringify(found)}`);
}

Deno.test("arrows refuses an import against the direction", () => {
  const core = "src/path/probe.ts";
  assertFlags(core, `import { a } from "../relay/mod.ts";`, "arrows");
  assertFlags(core, `import type { A } from "../node/mod.ts";`, "arrows");
  assertFlags(core, `export * from "../host/net.ts";`, "arrows");
  assertFlags(core, `export { a } from "../host/net.ts";`, "arrows");
  assertFlags(core, `const a = import("../host/net.ts");`, "arrows");
  assertFlags(core, "const a = import(`../host/net.ts`);", "arrows");
  assertFlags(core, `type A = import("../host/net.ts").A;`, "arrows");
  assertFlags(core, `import { a } from "../../tests/a.ts";`, "arrows");
  assertFlags("src/base/ids.ts", `import { a } from "../wire/mod.ts";`, "arrows");
  assertFlags("src/host/net.ts", `import { a } from "../cli/main.ts";`, "arrows");
  assertFlags("src/cli/main.ts", `import { a } from "../node/mod.ts";`, "arrows");
  assertFlags("src/nowhere/a.ts", `import { a } from "../base/mod.ts";`, "arrows");
});

Deno.test("arrows wants the inner parts imported through their mod.ts", () => {
  assertFlags("src/path/probe.ts", `import { a } from "../base/ids.ts";`, "arrows");
  assertFlags("src/host/net.ts", `import { a } from "../wire/frames.ts";`, "arrows");
  assertFlags("src/cli/main.ts", `import { a } from "../wire/frames.ts";`, "arrows");
});

Deno.test("arrows lets a fast start name single files", () => {
  assertClean("src/cli/main.ts", `const a = import("../wire/frames.ts");`);
  assertClean("src/host/state.ts", `import { a } from "../base/errors.ts";`);
  assertFlags("src/host/state.ts", `const a = import("../wire/frames.ts");`, "arrows");
});

Deno.test("arrows permits what lies below, the same folder, and everything to tests", () => {
  assertClean(
    "src/path/probe.ts",
    `import { a } from "../base/mod.ts"; import { b } from "./b.ts";`,
  );
  assertClean("src/node/node.ts", `import { a } from "../path/mod.ts"; export * from "./b.ts";`);
  assertClean("src/daemon/node.ts", `import { a } from "../host/net.ts";`);
  assertClean("tests/path/probe_test.ts", `import { a } from "../../src/path/probe.ts";`);
});

Deno.test("pure-core refuses the world by name", () => {
  const sources = [
    `Deno.readFileSync("a");`,
    `fetch("http://localhost");`,
    `const t = setTimeout(() => {}, 1);`,
    `crypto.getRandomValues(a);`,
    `const n = performance.now();`,
    `const d = new Date(), e = Date.now();`,
    `const r = Math.random();`,
    `const r = Math["random"]();`,
    `const { random } = Math;`,
    `const m = Math;`,
    `f(Math);`,
    `Math[name]();`,
    `globalThis.fetch("a");`,
    `globalThis["Date"].now();`,
    `const { Deno: d } = self;`,
    `const o = { Date };`,
    `const c: Deno.Conn = a;`,
    `const f = new Function("return 1");`,
    `const run = eval;`,
    `queueMicrotask(f);`,
    `function f(Date: number) {}`,
    `import { crypto } from "./a.ts";`,
  ];
  for (const source of sources) assertFlags("src/path/probe.ts", source, "pure-core");
});

Deno.test("pure-core refuses packages, computed imports and async functions", () => {
  const core = "src/node/node.ts";
  assertFlags(core, `import { a } from "node:crypto";`, "pure-core");
  assertFlags(core, `import type { A } from "npm:a";`, "pure-core");
  assertFlags(core, `import a from "hono";`, "pure-core");
  assertFlags(core, `export * from "https://localhost/a.ts";`, "pure-core");
  assertFlags(core, `const a = import("node:fs");`, "pure-core");
  assertFlags(core, `const a = import(b);`, "pure-core");
  assertFlags(core, `type A = import("node:fs").A;`, "pure-core");
  assertFlags(core, `async function f() {}`, "pure-core");
  assertFlags(core, `const f = async () => {};`, "pure-core");
  assertFlags(core, `class A { async f() {} }`, "pure-core");
});

Deno.test("pure-core lets crypto and node have what they were given", () => {
  assertClean("src/crypto/sign.ts", `import { sign } from "node:crypto";`);
  assertClean("src/crypto/sign.ts", `import { ed25519 } from "@noble/curves/ed25519.js";`);
  assertFlags("src/wire/cbor.ts", `import { Encoder } from "cbor-x/encode";`, "pure-core");
  assertClean("src/node/protocol/mod.ts", `import * as v from "valibot";`);
  assertFlags("src/path/probe.ts", `import * as v from "valibot";`, "pure-core");
  assertFlags("src/crypto/sign.ts", `import { a } from "node:fs";`, "pure-core");
  assertFlags("src/wire/cbor.ts", `import { a } from "node:crypto";`, "pure-core");
  assertFlags("src/crypto/sign.ts", `Date.now();`, "pure-core");
});

Deno.test("pure-core is not misled by property names", () => {
  const sources = [
    `const a = b.crypto.fetch;`,
    `const a = { Date: 1, fetch() {}, performance: 2 };`,
    `interface A { crypto: string; fetch(): void; readonly Date: number }`,
    `class A { crypto = 1; Date() {} #fetch = 2; }`,
    `const { crypto: key } = a;`,
    `import { Date as When } from "./a.ts";`,
    `const a = Math.floor(b);`,
  ];
  for (const source of sources) assertClean("src/path/probe.ts", source);
});

Deno.test("pure-core leaves the outer parts alone", () => {
  for (const part of ["host", "api", "cli", "daemon"]) {
    assertClean(
      `src/${part}/a.ts`,
      `import "node:fs"; console.log(Date.now()); async function f() {}`,
    );
  }
});

Deno.test("function-length refuses a function of 61 lines, and none of 60", () => {
  const lines = (count: number) => `{\n${"f();\n".repeat(count - 2)}}`;
  for (const head of ["function f() ", "const f = () => ", "const f = function () "]) {
    assertFlags("src/host/a.ts", head + lines(61), "function-length");
    assertClean("src/host/a.ts", head + lines(60));
  }
  assertFlags("scripts/a.ts", `class A { f() ${lines(61)} }`, "function-length");
  assertFlags("main.ts", `function f() ${lines(61)}`, "function-length");
  assertClean("tests/e2e/a_test.ts", `function f() ${lines(100)}`);
});

Deno.test("documented wants a comment at a module's begin and before what it exports", () => {
  const header = "/**\n * What it is.\n *\n * @module\n */\n";
  const path = "src/path/probe.ts";
  assertFlags(path, `const a = 1;`, "documented");
  assertFlags(path, `/** Not the module's. */\nconst a = 1;`, "documented");
  assertFlags(path, `${header}export const a = 1;`, "documented");
  assertFlags(path, `${header}// plain\nexport function f() {}`, "documented");
  assertFlags(path, `${header}export interface A {}`, "documented");
  assertClean(
    path,
    `${header}/** It is. */\nexport const a = 1;\nexport { b } from "./b.ts";`,
    "documented",
  );
  const overloads = "/** F. */\nexport function f(a: 1): 1;\nexport function f(a: 2): 2;\n";
  assertFlags(
    path,
    `${header}export function f(a: 1): 1;\nexport function f(a: 2): 2;`,
    "documented",
  );
  assertClean(path, `${header}${overloads}`, "documented");
  assertClean("tests/a.ts", `export const a = 1;`, "documented");
});

Deno.test("rooms keeps the rooms of the daemon apart", () => {
  const renting = "src/daemon/renting/a.ts";
  assertFlags(renting, `import { a } from "../lending/b.ts";`, "rooms");
  assertFlags(renting, `type A = import("../lending/b.ts").A;`, "rooms");
  assertFlags("src/daemon/streams/a.ts", `export * from "../renting/b.ts";`, "rooms");
  assertFlags("src/daemon/nowhere/a.ts", `import { a } from "../renting/b.ts";`, "rooms");
  assertClean(renting, `import { a } from "../streams/b.ts"; import { c } from "../ports.ts";`);
  assertClean("src/daemon/run/a.ts", `import { a } from "../lending/b.ts";`);
  for (const room of ["streams", "networks", "renting", "lending"]) {
    const context = `import type { Context } from "../run/context.ts";`;
    assertFlags(`src/daemon/${room}/a.ts`, context, "rooms");
  }
});

Deno.test("file-length flags more than 400 lines, in src only", () => {
  const long = "// a line\n".repeat(401);
  assertFlags("src/daemon/renting/a.ts", long, "file-length");
  assertClean("src/daemon/renting/a.ts", "// a line\n".repeat(400));
  assertClean("tests/path/probe_test.ts", long);
});

Deno.test("path-text keeps the text of paths to its module", () => {
  for (const look of [`path.includes("#")`, `path.split("~", 1)`, `path.startsWith("t:")`]) {
    assertFlags("src/path/choice.ts", `export const is = (path: string) => ${look};`, "path-text");
    assertClean("src/wire/path.ts", `const is = (path: string) => ${look};`);
    assertClean("src/cli/format.ts", `const is = (path: string) => ${look};`);
  }
  assertFlags("src/node/a.ts", "const a = (b: string) => `${b}#${b}`;", "path-text");
  assertClean("src/node/a.ts", "const a = (b: string) => `VM #${b}`;");
});

Deno.test("use-cases lets a room of use cases stand on ports only", () => {
  const file = "src/daemon/lending/leases.ts";
  const sources = [
    `Deno.readFileSync("a");`,
    `setTimeout(() => {}, 1);`,
    `const n = performance.now(), d = Date.now();`,
    `const s = AbortSignal.timeout(5);`,
    `import type { ErrorDoc } from "../../api/error_doc.ts";`,
  ];
  for (const source of sources) {
    assertFlags(file, source, "use-cases");
    assertClean("src/daemon/run/loop.ts", source);
  }
  assertClean(file, `import type { Clock } from "../ports.ts"; const t = clock.now();`);
  assertClean(file, `const s = AbortSignal.any(all); const row = { Date: 1 };`);
});

Deno.test("host-only keeps the runtime, its timers and the loop where they belong", () => {
  const sources = [
    `const a = Deno.pid;`,
    `setTimeout(() => {}, 1);`,
    `type Timer = ReturnType<typeof setInterval>;`,
    `const s = AbortSignal.timeout(5);`,
  ];
  for (const source of sources) {
    for (const file of ["src/api/server.ts", "src/daemon/api/node.ts", "src/daemon/outward.ts"]) {
      assertFlags(file, source, "host-only");
    }
    for (const file of ["src/host/a.ts", "src/daemon/run/a.ts", "src/cli/a.ts", "tests/a.ts"]) {
      assertClean(file, source);
    }
  }
  const loop = `import type { Loop } from "../run/loop.ts";`;
  assertFlags("src/daemon/api/mesh.ts", loop, "host-only");
  assertClean("src/daemon/run/calls.ts", `import type { Loop } from "./loop.ts";`);
  assertClean("src/daemon/api/mesh.ts", `import { a } from "../run/node.ts"; a.Deno;`);
});
