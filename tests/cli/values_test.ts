/** What people write after flags becomes values, or a sentence about what is wrong. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  advertised,
  alias,
  duration,
  forward,
  grants,
  guestPort,
  hostPort,
  invite,
  ipPort,
  nodeAt,
  oneOf,
  type Parse,
  path,
  plainText,
  port,
  reference,
  requestKey,
  size,
  sizeOrNone,
  wholeId,
  wholeNumber,
} from "../../src/cli/values.ts";
import { NODE_ID } from "./fakes.ts";

/** What is refused. */
const NO = Symbol("refused");

// deno-lint-ignore no-explicit-any -- one table for parsers of every type
const TABLE: [string, Parse<any>, [string, unknown][]][] = [
  ["wholeNumber()", wholeNumber({ min: 1, max: 8 }), [
    ["1", 1],
    ["8", 8],
    ["0", NO],
    ["9", NO],
    ["-1", NO],
    ["1.5", NO],
    ["1e0", NO],
    ["", NO],
    [" 1", NO],
    ["99999999999999999999", NO],
  ]],
  ["size()", size({ min: 1024, max: 2 ** 40 }), [
    ["1K", 1024],
    ["2G", 2 * 2 ** 30],
    ["1023", NO],
    ["2T", NO],
    ["1.5G", NO],
    ["G", NO],
  ]],
  ["sizeOrNone()", sizeOrNone({ min: 1024, max: 2 ** 40 }), [
    ["0", 0],
    ["0G", 0],
    ["1K", 1024],
    ["1", NO],
    ["", NO],
  ]],
  ["duration()", duration({ min: 30_000, max: 3_600_000 }), [
    ["30s", 30_000],
    ["1h", 3_600_000],
    ["29s", NO],
    ["61m", NO],
    ["30", NO],
    ["1 h", NO],
  ]],
  ["port()", port, [["0", 0], ["9000", 9000], ["65536", NO], ["x", NO], ["-1", NO]]],
  ["guestPort()", guestPort, [["22", 22], ["0", NO]]],
  ["alias()", alias, [
    ["a", "a"],
    ["rack-1", "rack-1"],
    ["-a", NO],
    ["A", NO],
    ["a".repeat(33), NO],
    ["a b", NO],
    ["a\n", NO],
    ["", NO],
  ]],
  ["reference()", reference, [
    [NODE_ID, NODE_ID],
    ["abcd", "abcd"],
    ["web", "web"],
    ["-x", NO],
    ["$(x)", NO],
    ["a/b", NO],
  ]],
  ["wholeId()", wholeId, [[NODE_ID, NODE_ID], [NODE_ID.slice(1), NO], ["rack-1", NO]]],
  ["requestKey()", requestKey, [["build/42", "build/42"], ["a b", NO], ["é", NO], ["", NO]]],
  ["plainText()", plainText, [["micro", "micro"], ["a\x1b[2J", NO], ["", NO]]],
  ["path()", path, [["a b\n", "a b\n"], ["", NO], ["a\0", NO]]],
  ["grants()", grants, [
    ["rent", ["rent"]],
    ["provide,rent,rent", ["rent", "provide"]],
    ["rent,", NO],
    ["root", NO],
    ["", NO],
  ]],
  ["invite()", invite, [
    [`omerta://join/${"A".repeat(40)}`, `omerta://join/${"A".repeat(40)}`],
    ["omerta://join/", NO],
    [`https://join/${"A".repeat(40)}`, NO],
    [`omerta://join/${"A".repeat(40)}\n`, NO],
    [`omerta://join/${"A".repeat(40)}=`, NO],
  ]],
  ["hostPort()", hostPort, [
    ["relay.example.org:9000", "relay.example.org:9000"],
    ["192.0.2.1:9000", "192.0.2.1:9000"],
    ["[2001:db8::1]:9000", "[2001:db8::1]:9000"],
    ["2001:db8::1:9000", NO],
    ["relay.example.org", NO],
    ["relay:0", NO],
    ["relay:65536", NO],
    ["-relay:1", NO],
    ["192.0.2.999:1", NO],
    ["a b:1", NO],
  ]],
  ["ipPort()", ipPort, [
    ["192.0.2.1:9000", "192.0.2.1:9000"],
    ["[::1]:9000", "[::1]:9000"],
    ["localhost:9000", NO],
    ["[::g]:1", NO],
  ]],
  ["advertised()", advertised, [
    ["192.0.2.1", "192.0.2.1"],
    ["192.0.2.1:1", "192.0.2.1:1"],
    ["relay.example.org", "relay.example.org"],
    ["2001:db8::1", "[2001:db8::1]"],
    ["[2001:db8::1]:1", "[2001:db8::1]:1"],
    ["", NO],
    ["a/b", NO],
  ]],
  ["nodeAt()", nodeAt(ipPort), [
    ["192.0.2.1:1", { id: null, address: "192.0.2.1:1" }],
    [`${NODE_ID}@192.0.2.1:1`, { id: NODE_ID, address: "192.0.2.1:1" }],
    ["rack@192.0.2.1:1", NO],
    [`${NODE_ID}@`, NO],
  ]],
  ["forward()", forward, [
    ["8080:80", { bind: "127.0.0.1:8080", port: 80 }],
    ["0:80", { bind: "127.0.0.1:0", port: 80 }],
    ["0.0.0.0:8080:80", { bind: "0.0.0.0:8080", port: 80 }],
    ["[::1]:8080:80", { bind: "[::1]:8080", port: 80 }],
    ["localhost:8080:80", { bind: "127.0.0.1:8080", port: 80 }],
    ["8080:0", NO],
    ["8080", NO],
    [":80", NO],
    ["70000:80", NO],
    ["evil.example:8080:80", NO],
  ]],
];

for (const [name, parse, cases] of TABLE) {
  Deno.test(`${name} takes what is meant and refuses the rest with a sentence`, () => {
    for (const [text, expected] of cases) {
      const parsed = parse(text);
      if (expected !== NO) deepStrictEqual(parsed, { ok: true, value: expected }, text);
      else if (parsed.ok) throw new Error(`took ${JSON.stringify(text)}`);
      else ok(parsed.reason.length > 5);
    }
  });
}

Deno.test("no parser throws, and no reason holds a control character", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    for (const [, parse] of TABLE) {
      const parsed = parse(text);
      // deno-lint-ignore no-control-regex -- they are what is looked for
      if (!parsed.ok) strictEqual(/[\u0000-\u001f\u007f-\u009f]/.test(parsed.reason), false);
    }
  }));
});

Deno.test("of one word alone is said that it is not that", () => {
  const parsed = oneOf(["never"])("always");
  strictEqual(parsed.ok ? "" : parsed.reason, '"always" is not never');
});

Deno.test("a word that is none of a few is told the nearest", () => {
  const parsed = grants("rant");
  match(parsed.ok ? "" : parsed.reason, /did you mean rent\?/);
});
