/**
 * What `scripts/sim` does: lists scenarios, runs one, and says what it came to and what it cost. The same
 * seed gives the same report but for what it cost: `cpu_*`, `memory_*`, `wall_*`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { type Report, Run, type Scenario, SCENARIOS, type Spread } from "../src/sim/mod.ts";

const HELP = `usage: scripts/sim [NAME] [--nodes N] [--seed S] [--json]

Runs a scenario of the simulator: whole nodes on a simulated network, in one process, in no real time.
Without a name it lists the scenarios.

  --nodes N   how many nodes; what a scenario takes is in the list
  --seed S    a whole number from 0 to 4294967295; default 1. The same seed gives the same run
  --json      the report as one JSON document
  --help      this text

Ends with 0 where all that the scenario expects holds, 1 where it does not, 2 on a wrong command.
`;

/** What a run cost. Memory is measured after a collection, where `scripts/sim` lets us ask for one. */
interface Cost {
  readonly cpu_ms: number;
  readonly cpu_ms_per_virtual_s: number;
  /** The same in the last quarter of the time, when most scenarios have come to rest. */
  readonly cpu_ms_per_late_virtual_s: number;
  readonly memory_rss_bytes: number;
  /** What the heap, and all of the process, grew by, divided by the hosts. */
  readonly memory_heap_bytes_per_host: number;
  readonly memory_rss_bytes_per_host: number;
  readonly wall_ms: number;
}

interface Order {
  readonly scenario: Scenario;
  readonly nodes: number;
  readonly seed: number;
  readonly json: boolean;
}

type Parsed =
  | { readonly type: "help" }
  | { readonly type: "list"; readonly json: boolean }
  | { readonly type: "run"; readonly order: Order }
  | { readonly type: "wrong"; readonly why: string };

/** Where text goes, and which scenarios there are: for tests, others. */
export interface Ground {
  readonly scenarios: readonly Scenario[];
  out(text: string): void;
  err(text: string): void;
}

const GROUND: Ground = {
  scenarios: SCENARIOS,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

function parsed(args: readonly string[], scenarios: readonly Scenario[]): Parsed {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        nodes: { type: "string" },
        seed: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { type: "help" };
    const [name, ...more] = positionals;
    if (more.length > 0) return wrong(`one scenario at a time, not ${positionals.join(" ")}`);
    if (name === undefined) return { type: "list", json: values.json };
    return orderOf(scenarios.find((each) => each.name === name), name, values);
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
}

function orderOf(
  scenario: Scenario | undefined,
  name: string,
  { nodes, seed = "1", json }: {
    readonly nodes?: string | undefined;
    readonly seed?: string | undefined;
    readonly json: boolean;
  },
): Parsed {
  if (scenario === undefined) return wrong(`there is no scenario ${JSON.stringify(name)}`);
  const { min, max } = scenario.bounds;
  const count = nodes === undefined ? scenario.nodes.full : whole(nodes, min, max);
  if (count === undefined) return wrong(`${name} takes ${min} to ${max} nodes, not ${nodes}`);
  const seeded = whole(seed, 0, 2 ** 32 - 1);
  if (seeded === undefined) return wrong(`${JSON.stringify(seed)} is no seed`);
  return { type: "run", order: { scenario, nodes: count, seed: seeded, json } };
}

function wrong(why: string): Parsed {
  return { type: "wrong", why };
}

function whole(text: string, min: number, max: number): number | undefined {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : undefined;
}

/** Runs a scenario; what it cost goes beside what it came to. */
function run({ scenario, nodes, seed }: Order): Report & Cost {
  const wall = performance.now();
  const before = memory();
  const cpu = cpuMs();
  const playing = new Run({ scenario, nodes, seed });
  playing.play(0.75);
  const late = cpuMs();
  playing.play(1);
  const end = cpuMs();
  const after = memory();
  const report = playing.finish();
  const perS = (ms: number, share: number) => rounded(ms * 1_000 / (report.virtual_ms * share));
  const perHost = (bytes: number) => Math.round(bytes / report.hosts);
  return {
    ...report,
    cpu_ms: Math.round(end - cpu),
    cpu_ms_per_virtual_s: perS(end - cpu, 1),
    cpu_ms_per_late_virtual_s: perS(end - late, 0.25),
    memory_rss_bytes: after.rss,
    memory_heap_bytes_per_host: perHost(after.heapUsed - before.heapUsed),
    memory_rss_bytes_per_host: perHost(after.rss - before.rss),
    wall_ms: Math.round(performance.now() - wall),
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function memory(): Deno.MemoryUsage {
  (globalThis as { gc?: () => void }).gc?.();
  return Deno.memoryUsage();
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function list(scenarios: readonly Scenario[]): string {
  const width = Math.max(...scenarios.map(({ name }) => name.length));
  const lines = scenarios.map(({ name, about, nodes, bounds: { min, max } }) => {
    const range = min === max ? `${min} nodes` : `${min} to ${max} nodes, else ${nodes.full}`;
    return `${name.padEnd(width)}  ${about} (${range})`;
  });
  return lines.join("\n");
}

function shown(report: Report & Cost): string {
  const { pairs, dropped, labels } = report;
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  const kib = (bytes: number) => `${Math.round(bytes / 1_024)} KiB`;
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const counts = (each: Readonly<Record<string, number>>) =>
    Object.entries(each).map(([word, count]) => `${word} ${count}`).join(", ");
  const [drops, requests] = [counts(dropped), counts(report.requests)];
  return [
    `${report.scenario}: ${report.nodes} nodes, seed ${report.seed}`,
    `  ${seconds(report.virtual_ms)} simulated, ${report.events} events`,
    `  ${report.datagrams} datagrams sent, ${report.delivered} delivered, ${mib(report.bytes)}`,
    `  dropped: ${drops === "" ? "none" : drops}`,
    `  ${report.hosts} hosts with ${report.sessions} ends of sessions`,
    `  pairs: ${pairs.direct} direct, ${pairs.relayed} relayed, ${pairs.none} without a session`,
    `  until a session: ${spread(report.session_ms)}`,
    `  until direct:    ${spread(report.direct_ms)}`,
    `  tunnel silent:   ${spread(report.silence_ms)}`,
    ...requests === "" ? [] : [`  requests: ${requests}`],
    ...grid(labels).map((line) => `  ${line}`),
    `  CPU: ${seconds(report.cpu_ms)}, ${report.cpu_ms_per_virtual_s} ms a simulated second, ` +
    `${report.cpu_ms_per_late_virtual_s} ms late in the run; ${
      seconds(report.wall_ms)
    } of real time`,
    `  memory: ${kib(report.memory_heap_bytes_per_host)} of heap a host, ` +
    `${kib(report.memory_rss_bytes_per_host)} of the process's; ${
      mib(report.memory_rss_bytes)
    } in all`,
  ].join("\n");
}

/** Labels of the form `A x B` as a matrix, `-` where it would say the same twice. */
function grid(labels: Readonly<Record<string, string>>): string[] {
  const pairs = Object.entries(labels).map(([label, end]) => [...label.split(" x "), end]);
  const names = [...new Set(pairs.flatMap(([a = "", b = ""]) => [a, b]))];
  if (names.length === 0) return [];
  const width = Math.max(...names.map((name) => name.length), "relayed".length) + 2;
  const cell = (a: string, b: string) => labels[`${a} x ${b}`] ?? "-";
  const row = (cells: readonly string[]) =>
    cells.map((each) => each.padEnd(width)).join("").trimEnd();
  return [row(["", ...names]), ...names.map((a) => row([a, ...names.map((b) => cell(a, b))]))];
}

function spread({ count, p50, p95, max }: Spread): string {
  return count === 0 ? "-" : `p50 ${p50} ms, p95 ${p95} ms, most ${max} ms, of ${count}`;
}

/** Prints a report and, where something does not hold, what, and how to see it again. */
function print(order: Order, report: Report & Cost, { out, err }: Ground): number {
  const text = order.json ? JSON.stringify(report, null, 2) : shown(report);
  out(`${text}\n`);
  if (report.ok) return 0;
  const { scenario: { name }, nodes, seed } = order;
  for (const { expected, why } of report.faults) {
    err(`does not hold: ${JSON.stringify(expected)}: ${why}\n`);
  }
  err(
    `seed ${seed}; again with: scripts/sim ${name} --nodes ${nodes} --seed ${seed}\n`,
  );
  return 1;
}

/** Runs the command; returns its exit status. */
export function main(args: readonly string[], ground: Ground = GROUND): number {
  const { scenarios, out, err } = ground;
  const parsing = parsed(args, scenarios);
  switch (parsing.type) {
    case "help":
      out(HELP);
      return 0;
    case "list":
      out(parsing.json ? `${JSON.stringify(scenarios, null, 2)}\n` : `${list(scenarios)}\n`);
      return 0;
    case "run":
      return print(parsing.order, run(parsing.order), ground);
    case "wrong":
      err(`sim: ${parsing.why}\n\n${list(scenarios)}\n\nSee scripts/sim --help\n`);
      return 2;
  }
}

if (import.meta.main) process.exitCode = main(Deno.args);
