/**
 * Values as people read them: short ids, times from now, sizes, paths, and aligned tables.
 *
 * @module
 */
import { formatDuration, formatSize } from "../base/mod.ts";
import type { PathDoc } from "../api/nouns/mesh.ts";

/** Characters of an id that are shown unless more are needed to tell it from others. */
const SHORT_ID_CHARS = 8;

/** The beginning of an id; it is accepted wherever the whole id is, as long as it is unambiguous. */
export function shortId(id: string): string {
  return id.slice(0, SHORT_ID_CHARS);
}

/** The shortest beginnings, of at least 8 characters, that tell `ids` from each other. */
export function shortIds(ids: readonly string[]): Map<string, string> {
  const unique = [...new Set(ids)];
  let chars = SHORT_ID_CHARS;
  const longest = Math.max(0, ...unique.map((id) => id.length));
  while (chars < longest && new Set(unique.map((id) => id.slice(0, chars))).size < unique.length) {
    chars++;
  }
  return new Map(unique.map((id) => [id, id.slice(0, chars)]));
}

/** A node by its name and the beginning of its id. */
export function nodeName(id: string, alias: string | null): string {
  return alias === null ? shortId(id) : `${alias} (${shortId(id)})`;
}

/** `in 58m`, `3s ago`, `now` within a second, or `-` for an unknown time. */
export function fromNow(at: string | null, nowMs: number): string {
  if (at === null) return "-";
  const ms = Date.parse(at) - nowMs;
  if (Number.isNaN(ms)) return at;
  const seconds = Math.round(Math.abs(ms) / 1000); // fractions say nothing about a lease
  if (seconds === 0) return "now";
  const duration = formatDuration(seconds * 1000);
  return ms >= 0 ? `in ${duration}` : `${duration} ago`;
}

/** Milliseconds with one decimal below 10. */
export function millis(ms: number | null): string {
  if (ms === null) return "-";
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** A size, or `-` where it is unknown. */
export function bytes(count: number | null): string {
  return count === null ? "-" : formatSize(count);
}

/** `direct 1.2.3.4:5 (12 ms)`, `via RELAY (udp, 40 ms)`, `none`. */
export function pathText(path: PathDoc): string {
  const rtt = path.rtt_ms === null ? [] : [millis(path.rtt_ms)];
  if (path.kind === "none") return "none";
  if (path.kind === "direct") return withFacts(`direct ${path.address ?? ""}`.trim(), rtt);
  const via = path.via === null ? "a relay" : shortId(path.via);
  return withFacts(`via ${via}`, [...path.transport === null ? [] : [path.transport], ...rtt]);
}

function withFacts(text: string, facts: readonly string[]): string {
  return facts.length === 0 ? text : `${text} (${facts.join(", ")})`;
}

/** A list, or `-` where it is empty. */
export function words(items: readonly string[]): string {
  return items.length === 0 ? "-" : items.join(",");
}

/** `1 VM`, `2 VMs`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Rows under their heads, columns aligned. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [heads, ...rows];
  const widths = heads.map((_, i) => Math.max(...all.map((row) => (row[i] ?? "").length)));
  return all.map((row) => {
    return row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd();
  });
}

/** Names and values, one a line, values aligned; `null` is left out. */
export function facts(pairs: readonly (readonly [string, string | null])[]): string[] {
  const known = pairs.filter(([, value]) => value !== null);
  const width = Math.max(0, ...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}
