/**
 * What a run comes to: all of it is the same for the same seed. What it cost (`cpu_*`, `memory_*`,
 * `wall_*`) is measured outside and added there.
 *
 * @module
 */
import { fault } from "./expectations.ts";
import { type PairEnd, percentile } from "./meters.ts";
import type { Expectation, Scenario } from "./scenario.ts";
import { Stage } from "./stage.ts";

/** A distribution of milliseconds. */
export interface Spread {
  readonly count: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

/** What did not hold. */
export interface Fault {
  readonly expected: Expectation;
  readonly why: string;
}

/** The report of a run. */
export interface Report {
  readonly scenario: string;
  readonly seed: number;
  readonly nodes: number;
  readonly ok: boolean;
  readonly faults: readonly Fault[];
  readonly virtual_ms: number;
  readonly events: number;
  readonly datagrams: number;
  readonly delivered: number;
  readonly bytes: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly hosts: number;
  readonly sessions: number;
  readonly pairs: Readonly<Record<PairEnd, number>>;
  /** How requests for VMs ended. */
  readonly requests: Readonly<Record<string, number>>;
  /** How each labelled pair ended. */
  readonly labels: Readonly<Record<string, PairEnd>>;
  readonly session_ms: Spread;
  readonly direct_ms: Spread;
  readonly silence_ms: Spread;
}

/** How a scenario is run. */
export interface RunOptions {
  readonly scenario: Scenario;
  readonly nodes: number;
  readonly seed: number;
}

/** A scenario that is under way. */
export class Run {
  readonly stage: Stage;

  constructor(readonly options: RunOptions) {
    const { scenario, nodes, seed } = options;
    this.stage = new Stage(scenario.plan(nodes), seed);
  }

  /** Plays it until that share of its time is over. */
  play(share: number): void {
    const { world, plan } = this.stage;
    world.run(Math.max(0, share * plan.forMs - world.now));
  }

  /** Plays it to its end. */
  finish(): Report {
    this.play(1);
    for (const tunnel of this.stage.tunnels) tunnel.finish();
    return this.#report();
  }

  #requests(): Record<string, number> {
    const renters = [...this.stage.lending.renters.values()];
    return counted(renters.flatMap(({ requests }) => requests.flatMap(({ ends }) => ends)));
  }

  #report(): Report {
    const { scenario: { name }, nodes, seed } = this.options;
    const { world: { fabric, hosts, handled, now }, plan, pairs, tunnels } = this.stage;
    const faults = plan.expect.flatMap((expected) => {
      const why = fault(this.stage, expected);
      return why === undefined ? [] : [{ expected, why }];
    });
    const ends = pairs.map(({ end }) => end);
    return {
      scenario: name,
      seed,
      nodes,
      ok: faults.length === 0,
      faults,
      virtual_ms: now,
      events: handled,
      datagrams: fabric.datagrams,
      delivered: fabric.delivered,
      bytes: fabric.bytes,
      dropped: Object.fromEntries(Object.entries(fabric.drops.read()).toSorted()),
      hosts: hosts.size,
      sessions: [...hosts.values()].reduce((sum, { machine }) => {
        return sum + machine.view.sessionStats().sessions;
      }, 0),
      pairs: {
        direct: ends.filter((end) => end === "direct").length,
        relayed: ends.filter((end) => end === "relayed").length,
        none: ends.filter((end) => end === "none").length,
      },
      requests: this.#requests(),
      labels: Object.fromEntries(pairs.flatMap(({ label, end }) => {
        return label === null ? [] : [[label, end]];
      })),
      session_ms: spreadOf(pairs.flatMap(({ sessionMs }) => sessionMs ?? [])),
      direct_ms: spreadOf(pairs.flatMap(({ directMs }) => directMs ?? [])),
      silence_ms: spreadOf(tunnels.map(({ silenceMs }) => silenceMs)),
    };
  }
}

function counted(words: readonly string[]): Record<string, number> {
  const groups = Map.groupBy(words.toSorted(), (word) => word);
  return Object.fromEntries([...groups].map(([word, all]) => [word, all.length]));
}

function spreadOf(values: readonly number[]): Spread {
  const at = (share: number) => rounded(percentile(values, share));
  return { count: values.length, p50: at(0.5), p95: at(0.95), max: at(1) };
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 1_000) / 1_000;
}
