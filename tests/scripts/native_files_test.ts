/** The pages of the native parts name every file of theirs: a reader finds each by what it does. */
import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url).pathname;

/** The sources of a part; tests and what a header of the same name says are not named apart. */
const PARTS = [
  { part: "ffi/net", isSource: /(?<!_test)\.go$/ },
  { part: "ffi/vm", isSource: /\.c$/ },
] as const;

for (const { part, isSource } of PARTS) {
  Deno.test(`${part}/README.md says of every file what it does`, () => {
    const page = Deno.readTextFileSync(`${ROOT}${part}/README.md`);
    const [, table = ""] = /## Which file does what\n([^]*?)\n## /.exec(page) ??
      /## Which file does what\n([^]*)$/.exec(page) ?? [];
    const named = new Set(
      table.split("\n").filter((line) => line.startsWith("|")).flatMap((line) =>
        [...(line.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name)
      ),
    );
    const sources = [...Deno.readDirSync(`${ROOT}${part}`)].map(({ name }) => name)
      .filter((name) => isSource.test(name));
    assert.deepEqual(sources.filter((name) => !named.has(name)), [], "not named");
    const gone = [...named].filter((name) => /\.(go|c)$/.test(name) && !sources.includes(name));
    assert.deepEqual(gone, [], "named, and not there");
  });
}
