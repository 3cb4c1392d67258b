import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  type UnitReason,
  unitSentence,
} from "../../src/base/mod.ts";

const SIZES: readonly [string, number | UnitReason][] = [
  ["512M", 512 * 2 ** 20],
  ["2G", 2 * 2 ** 30],
  ["2g", 2 * 2 ** 30],
  ["1K", 1024],
  ["1T", 2 ** 40],
  ["4096", 4096],
  ["0", 0],
  ["", "empty"],
  ["G", "not-a-number"],
  ["1.5G", "not-a-number"],
  ["-1G", "not-a-number"],
  ["+1G", "not-a-number"],
  [" 1G", "not-a-number"],
  ["1G\n", "not-a-number"],
  ["1e3", "not-a-number"],
  ["0x10", "not-a-number"],
  ["１G", "not-a-number"],
  ["1GB", "unknown-unit"],
  ["1GiB", "unknown-unit"],
  ["1s", "unknown-unit"],
  ["1toString", "unknown-unit"],
  ["9007199254740993", "too-large"],
  ["9999999T", "too-large"],
  ["9".repeat(400), "too-large"],
];

const DURATIONS: readonly [string, number | UnitReason][] = [
  ["90s", 90_000],
  ["10m", 600_000],
  ["1h", 3_600_000],
  ["250ms", 250],
  ["30d", 30 * 86_400_000],
  ["0s", 0],
  ["", "empty"],
  ["90", "missing-unit"],
  ["s", "not-a-number"],
  ["1h30m", "not-a-number"],
  ["1.5h", "not-a-number"],
  ["-1s", "not-a-number"],
  ["1H", "unknown-unit"],
  ["1M", "unknown-unit"],
  ["1y", "unknown-unit"],
  ["1constructor", "unknown-unit"],
  ["99999999999999d", "too-large"],
];

Deno.test("parseSize() takes a whole number with one unit and refuses all else with its reason", () => {
  for (const [text, expected] of SIZES) {
    const parsed = parseSize(text);
    strictEqual(parsed.ok ? parsed.value : parsed.reason, expected, JSON.stringify(text));
  }
});

Deno.test("parseDuration() takes a whole number with one unit and refuses all else with its reason", () => {
  for (const [text, expected] of DURATIONS) {
    const parsed = parseDuration(text);
    strictEqual(parsed.ok ? parsed.value : parsed.reason, expected, JSON.stringify(text));
  }
});

Deno.test("parsers of units never throw and give safe non-negative whole numbers", () => {
  const texts = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[0-9]{0,18}[kKmMgGtTshd]{0,3}$/),
    fc.string({ unit: "binary" }),
  );
  fc.assert(fc.property(texts, (text) => {
    for (const parsed of [parseSize(text), parseDuration(text)]) {
      if (parsed.ok) strictEqual(Number.isSafeInteger(parsed.value) && parsed.value >= 0, true);
    }
  }));
});

Deno.test("a formatted whole size parses to itself", () => {
  const units = fc.constantFrom(2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40);
  fc.assert(fc.property(fc.integer({ min: 1, max: 1023 }), units, (count, unit) => {
    deepStrictEqual(parseSize(formatSize(count * unit)), { ok: true, value: count * unit });
  }));
});

Deno.test("formatSize() shows at most one decimal", () => {
  const shown = [0, 17, 1024, 1536 * 2 ** 20, 512 * 2 ** 20, 3 * 2 ** 40].map(formatSize);
  deepStrictEqual(shown, ["0B", "17B", "1K", "1.5G", "512M", "3T"]);
});

Deno.test("formatDuration() shows the two largest units", () => {
  const cases: readonly [number, string][] = [
    [-5, "0ms"],
    [8.4, "8ms"],
    [999.6, "1s"],
    [12_340, "12.3s"],
    [59_960, "1m"],
    [90_000, "1m 30s"],
    [3_600_000, "1h"],
    [3_900_000, "1h 5m"],
    [3_605_000, "1h"],
    [90_000_000, "1d 1h"],
  ];
  for (const [ms, text] of cases) strictEqual(formatDuration(ms), text);
});

Deno.test("unitSentence() tells for every reason what to write", () => {
  const reasons = ["empty", "not-a-number", "missing-unit", "unknown-unit", "too-large"] as const;
  for (const what of ["size", "duration"] as const) {
    const sentences = reasons.map((reason) => unitSentence(what, "1x", reason));
    strictEqual(new Set(sentences).size, reasons.length);
    strictEqual(sentences.every((sentence) => /[^.]$/.test(sentence)), true);
  }
});

Deno.test("unitSentence() shows what was written, escaped and cut", () => {
  const sentence = unitSentence("size", `\u001b[2J${"x".repeat(100)}`, "not-a-number");
  strictEqual(sentence.includes("\u001b"), false);
  for (const control of ["\u007f", "\u0080", "\u009b", "\u202e"]) {
    const told = unitSentence("size", `${control}2J`, "not-a-number");
    strictEqual(told.includes(control), false, escape(control));
  }
  strictEqual(sentence.length < 160, true);
  strictEqual(
    unitSentence("duration", "90", "missing-unit"),
    `"90" has no unit: write 90s, 10m or 1h`,
  );
});
