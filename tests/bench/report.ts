/**
 * What the benchmarks share: statistics of few samples, and one way to print a figure beside the one that it
 * is compared with.
 *
 * @module
 */

/** The middle of the samples, and their spread. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** Summarizes samples; at least one. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN, count: sorted.length };
}

/** Prints a heading. */
export function heading(text: string): void {
  print(`\n${text}`);
}

/** Prints one figure: its median, its spread, and what is to be said of it. */
export function figure(name: string, summary: Summary, unit: string, remark = ""): void {
  const number = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
  const spread = `${number(summary.min)}–${number(summary.max)}, n ${summary.count}`;
  print(
    `  ${name.padEnd(44)} ${number(summary.median).padStart(8)} ${
      unit.padEnd(5)
    } (${spread})  ${remark}`,
  );
}

/** Says whether a goal is met: `≤ 100 ms: met`. */
export function goal(value: number, most: number, unit: string): string {
  return `goal ≤ ${most} ${unit}: ${
    value <= most ? "met" : `missed by ${(value - most).toFixed(1)} ${unit}`
  }`;
}

/** How many times `a` is of `b`, as text. */
export function ratio(a: number, b: number): string {
  return `×${(a / b).toFixed(2)}`;
}

export function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
