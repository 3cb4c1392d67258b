import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { resolveName, thingsNamed } from "../../src/membership/mod.ts";

const things = [
  { id: "aaaaaaaa2222", alias: "web" },
  { id: "aaaaaaab3333", alias: "db" },
  { id: "cafecafe4444", alias: "web" },
  { id: "beefbeef5555", alias: "cafecafe" },
  { id: "deeddeed6666", alias: null },
  { id: "deeddeed", alias: "deed" },
  { id: "facadeff7777", alias: "facadeff" },
];

function meant(name: string, pinned?: string): string {
  const result = resolveName(name, things, pinned === undefined ? {} : { pinned });
  return result.ok ? result.value.id : result.reason;
}

const CASES: readonly [string, string][] = [
  ["aaaaaaaa2222", "aaaaaaaa2222"],
  ["aaaaaaaa", "aaaaaaaa2222"],
  ["aaaaaaab33", "aaaaaaab3333"],
  ["aaaaaaa", "not-found"],
  ["db", "aaaaaaab3333"],
  ["deed", "deeddeed"],
  ["deeddeed", "deeddeed"],
  ["deeddeed6", "deeddeed6666"],
  ["cafecafe", "ambiguous"],
  ["facadeff", "facadeff7777"],
  ["web", "ambiguous"],
  ["zzzzzzzz", "not-found"],
  ["zz", "not-found"],
  ["", "not-found"],
  ["aaaaaaaa22223", "not-found"],
  ["AAAAAAAA2222", "not-found"],
  ["null", "not-found"],
];

Deno.test("a name is a whole id, else an alias or eight characters of an id", () => {
  for (const [name, expected] of CASES) strictEqual(meant(name), expected, JSON.stringify(name));
});

Deno.test("the beginning of an id, ground to be somebody's alias, never takes the name over", () => {
  const honest = { id: "z".repeat(52), alias: "home" };
  for (const begun of ["home", "homehome"]) {
    const evil = { id: begun + "a".repeat(52 - begun.length), alias: null };
    const owner = { ...honest, alias: begun };
    const found = resolveName(begun, [evil, owner]);
    deepStrictEqual(
      found,
      begun.length < 8 ? { ok: true, value: owner } : { ok: false, reason: "ambiguous" },
    );
    deepStrictEqual(resolveName(begun, [evil, owner], { pinned: owner.id }), {
      ok: true,
      value: owner,
    });
  }
});

Deno.test("a prefix that fits several stays ambiguous where somebody calls itself that", () => {
  const crowd = [
    { id: "abcdabcd1", alias: null },
    { id: "abcdabcd2", alias: null },
    { id: "eeeeeeeee", alias: "abcdabcd" },
  ];
  deepStrictEqual(resolveName("abcdabcd", crowd), { ok: false, reason: "ambiguous" });
  strictEqual(thingsNamed("abcdabcd", crowd).length, 3);
});

Deno.test("a VM is named by four characters", () => {
  const vms = [{ id: "abcdefgh", alias: null }];
  const rules = { prefixCharsMin: 4 };
  strictEqual(resolveName("abcd", vms, rules).ok, true);
  deepStrictEqual(resolveName("abc", vms, rules), { ok: false, reason: "not-found" });
});

Deno.test("a pinned name means what it meant, or nothing", () => {
  strictEqual(meant("web", "cafecafe4444"), "cafecafe4444");
  strictEqual(meant("cafecafe", "cafecafe4444"), "cafecafe4444");
  strictEqual(meant("web", "gone7777"), "not-found");
  strictEqual(meant("db", "beefbeef5555"), "beefbeef5555");
  strictEqual(meant("aaaaaaaa2222", "beefbeef5555"), "aaaaaaaa2222");
});

const named = fc.record({
  id: fc.stringMatching(/^[ab]{4,6}$/),
  alias: fc.option(fc.stringMatching(/^[ab]{1,6}$/), { nil: null }),
});

Deno.test("whatever is found carries the name, and alone; a whole id is always found", () => {
  const all = fc.uniqueArray(named, { selector: ({ id }) => id });
  fc.assert(fc.property(all, fc.stringMatching(/^[ab]{0,7}$/), (some, name) => {
    const carries = ({ id, alias }: typeof some[number]) =>
      alias === name || name.length >= 4 && id.startsWith(name);
    const result = resolveName(name, some, { prefixCharsMin: 4 });
    const isWhole = some.some(({ id }) => id === name);
    if (result.ok) {
      strictEqual(result.value.id === name || carries(result.value), true);
      if (!isWhole) strictEqual(some.filter(carries).length, 1);
    } else strictEqual(some.filter(carries).length === 1, false);
    strictEqual(some.every((each) => resolveName(each.id, some).ok), true);
  }));
});
