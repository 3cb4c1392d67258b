/**
 * Sizes and durations as people write them: `512M`, `2G` (powers of 1024), `90s`, `10m`, `1h`.
 * Strict: one whole number and one unit, nothing around it, so that no typing error passes as
 * something else. Text for people goes the other way with at most one decimal or two units.
 *
 * @example
 * ```ts
 * parseSize("512M"); // { ok: true, value: 536870912 }
 * parseDuration("90"); // { ok: false, reason: "missing-unit" }
 * formatDuration(90_000); // "1m 30s"
 * ```
 *
 * @module
 */
import { fail, ok, type Result } from "./result.ts";
import { quoted } from "./text.ts";

/** Why a text is not a size or duration. */
export type UnitReason = "empty" | "not-a-number" | "missing-unit" | "unknown-unit" | "too-large";

const SIZE_UNITS = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;
const DURATION_UNITS = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
} as const;

/** Bytes of a size such as `512M`: digits and one of K, M, G, T in either case, or plain bytes. */
export function parseSize(text: string): Result<number, UnitReason> {
  return parseQuantity(text, (unit) => ownNumber(SIZE_UNITS, unit.toUpperCase()));
}

/** Milliseconds of a duration such as `90s`: digits and one of ms, s, m, h, d; the unit is required. */
export function parseDuration(text: string): Result<number, UnitReason> {
  const parsed = parseQuantity(text, (unit) => unit === "" ? 1 : ownNumber(DURATION_UNITS, unit));
  return parsed.ok && /^[0-9]+$/.test(text) ? fail("missing-unit") : parsed;
}

/** One sentence that tells a person what is wrong with a size or duration that they wrote. */
export function unitSentence(what: "size" | "duration", text: string, reason: UnitReason): string {
  const shown = quoted(text, 40);
  const example = what === "size" ? "512M or 2G" : "90s, 10m or 1h";
  switch (reason) {
    case "empty":
      return `a ${what} is missing: write ${example}`;
    case "not-a-number":
      return `${shown} is not a ${what}: write a whole number with its unit, as ${example}`;
    case "missing-unit":
      return `${shown} has no unit: write ${example}`;
    case "unknown-unit":
      return `${shown} has a unit that is not known: write ${example}`;
    case "too-large":
      return `${shown} is too large`;
  }
}

/** A size for people, with at most one decimal: `512M`, `1.5G`, `17B`. */
export function formatSize(bytes: number): string {
  const units = [["T", SIZE_UNITS.T], ["G", SIZE_UNITS.G], ["M", SIZE_UNITS.M], [
    "K",
    SIZE_UNITS.K,
  ]] as const;
  for (const [unit, factor] of units) {
    if (bytes >= factor) return `${oneDecimal(bytes / factor)}${unit}`;
  }
  return `${Math.max(0, Math.round(bytes))}B`;
}

/** A duration for people, its two largest units at most: `1h 5m`, `90s` as `1m 30s`, `12.3s`, `8ms`. */
export function formatDuration(ms: number): string {
  const positive = Math.max(0, ms);
  if (positive < 999.5) return `${Math.round(positive)}ms`;
  if (positive < 59_950) return `${oneDecimal(positive / 1_000)}s`;
  const seconds = Math.round(positive / 1_000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count}${unit}`).join(" ");
}

function parseQuantity(
  text: string,
  factorOf: (unit: string) => number | undefined,
): Result<number, UnitReason> {
  if (text === "") return fail("empty");
  const [, digits, unit] = /^([0-9]+)([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return fail("not-a-number");
  const factor = factorOf(unit);
  if (factor === undefined) return fail("unknown-unit");
  const value = Number(digits) * factor;
  return Number.isSafeInteger(value) ? ok(value) : fail("too-large");
}

function ownNumber(units: Readonly<Record<string, number>>, unit: string): number | undefined {
  return Object.hasOwn(units, unit) ? units[unit] : undefined;
}

function oneDecimal(value: number): string {
  return String(Math.round(value * 10) / 10);
}
