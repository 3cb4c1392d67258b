import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { resolveName } from "../../src/membership/mod.ts";

const things = [
  { id: "aaaa2222", alias: "web" },
  { id: "aaab3333", alias: "db" },
  { id: "cafe4444", alias: "web" },
  { id: "beef5555", alias: "cafe" },
  { id: "deed6666", alias: null },
  { id: "deed", alias: "aaa" },
];

function meant(name: string, pinned?: string): string {
  const result = resolveName(name, things, pinned);
  return result.ok ? result.value.id : result.reason;
}

const CASES: readonly [string, string][] = [
  ["aaaa2222", "aaaa2222"],
  ["aaaa", "aaaa2222"],
  ["aaab33", "aaab3333"],
  ["db", "aaab3333"],
  ["deed", "deed"],
  ["deed6", "deed6666"],
  ["cafe", "cafe4444"],
  ["aaa", "deed"],
  ["web", "ambiguous"],
  ["zzzz", "not-found"],
  ["zz", "not-found"],
  ["", "not-found"],
  ["aaaa22223", "not-found"],
  ["AAAA2222", "not-found"],
  ["null", "not-found"],
];

Deno.test("a name is a whole id, then a unique prefix of four or more, then an alias", () => {
  for (const [name, expected] of CASES) strictEqual(meant(name), expected, JSON.stringify(name));
});

Deno.test("a prefix that fits several stays ambiguous where somebody calls itself that", () => {
  const crowd = [
    { id: "abcd1", alias: null },
    { id: "abcd2", alias: null },
    { id: "eeeee", alias: "abcd" },
  ];
  deepStrictEqual(resolveName("abcd", crowd), { ok: false, reason: "ambiguous" });
});

Deno.test("a pinned name means what it meant, or nothing", () => {
  strictEqual(meant("web", "cafe4444"), "cafe4444");
  strictEqual(meant("web", "gone7777"), "not-found");
  strictEqual(meant("db", "beef5555"), "beef5555");
  strictEqual(meant("aaaa2222", "beef5555"), "aaaa2222");
});

const named = fc.record({
  id: fc.stringMatching(/^[ab]{4,6}$/),
  alias: fc.option(fc.stringMatching(/^[ab]{1,6}$/), { nil: null }),
});

Deno.test("whatever is found carries the name, and a unique whole id is always found", () => {
  const all = fc.uniqueArray(named, { selector: ({ id }) => id });
  fc.assert(fc.property(all, fc.stringMatching(/^[ab]{0,7}$/), (some, name) => {
    const result = resolveName(name, some);
    if (result.ok) {
      const { id, alias } = result.value;
      strictEqual(id === name || alias === name || name.length >= 4 && id.startsWith(name), true);
    }
    strictEqual(some.every((each) => resolveName(each.id, some).ok), true);
  }));
});
