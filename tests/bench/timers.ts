/**
 * What one more peer costs a node that is quiet: the question when to wake, which is asked after every
 * datagram, and one ping with its pong, at 10, 1 000 and 16 000 peers. Beside them the scan of all peers
 * that the heap replaced.
 *
 *     scripts/bench timers
 *
 * @module
 */
import {
  earlier,
  type Instant,
  type NetworkId,
  type NodeId,
  type PeerKey,
  peerKey,
  seededRandom,
  type Wakeup,
} from "../../src/base/mod.ts";
import { encodePong, parseProbe } from "../../src/path/messages.ts";
import { PathMachine, type PathOut } from "../../src/path/mod.ts";
import { PeerPaths, prove } from "../../src/path/peer_paths.ts";
import { asPath } from "../../src/wire/mod.ts";
import { figure, goal, heading, ratio, summarize, type Summary } from "./report.ts";

const SIZES = [10, 1_000, 16_000];
const ROUNDS = 15;
/** What a heap may cost more at 16 000 than at 10: its depth, and colder caches. */
const RATIO_GOAL = 4;

function peerOf(i: number): PeerKey {
  return peerKey("n".repeat(52) as NetworkId, String(i).padStart(52, "a") as NodeId);
}

function pathOf(i: number) {
  return asPath(`198.51.${i >> 8 & 255}.${i & 255}:9000`);
}

/** A node whose peers are known for a minute, each answering its pings. */
class Node {
  readonly #machine = new PathMachine(seededRandom(1));
  readonly #paths = new Map<PeerKey, ReturnType<typeof pathOf>>();
  #now = 0 as Instant;

  constructor(size: number) {
    const out: PathOut[] = [];
    for (let i = 0; i < size; i++) {
      const [peer, path] = [peerOf(i), pathOf(i)];
      this.#paths.set(peer, path);
      const at = (i * 15_000 / size) as Instant;
      this.#machine.handle({ type: "peer-up", peer, path, proven: true, punch: false }, at, out);
      this.#now = at;
    }
    this.#answer(out);
    while (this.#now < 60_000) this.turn();
  }

  wakeup(): Wakeup | undefined {
    return this.#machine.wakeup();
  }

  /** One wake at its time, and the pongs to the pings that it sends; returns how many. */
  turn(): number {
    const wakeup = this.#machine.wakeup();
    if (wakeup === undefined) throw new Error("a node with peers waits for nothing");
    const out: PathOut[] = [];
    this.#now = wakeup.at;
    this.#machine.handle({ type: "wake" }, this.#now, out);
    return this.#answer(out);
  }

  #answer(out: readonly PathOut[]): number {
    let pings = 0;
    for (const output of out) {
      if (output.type !== "send") continue;
      const probe = parseProbe(output.payload);
      if (!probe.ok || probe.value.type !== "ping") continue;
      const { peer, path } = output;
      const bytes = encodePong(probe.value.nonce, null);
      this.#machine.handle({ type: "probe", peer, path, bytes }, this.#now, []);
      pings++;
    }
    return pings;
  }
}

/** What `PathMachine.wakeup` was: the deadlines of every path of every peer, at each question. */
class Scan {
  readonly #peers = new Map<PeerKey, PeerPaths>();

  constructor(size: number) {
    for (let i = 0; i < size; i++) {
      const paths = new PeerPaths();
      const path = paths.add(pathOf(i), 0 as Instant);
      if (path !== undefined) prove(path, 0 as Instant);
      this.#peers.set(peerOf(i), paths);
    }
  }

  wakeup(): Wakeup | undefined {
    let next: Wakeup | undefined;
    for (const paths of this.#peers.values()) {
      for (const path of paths.all()) {
        const at = paths.timerAt(path);
        if (at !== null) next = earlier(next, { at, why: `ping ${path.path}` });
      }
    }
    return next;
  }
}

/** Microseconds of one act, which says how often it was done. */
function time(act: () => number, leastMs = 20): Summary {
  const samples = Array.from({ length: ROUNDS }, () => {
    let done = 0;
    const began = performance.now();
    while (performance.now() - began < leastMs) done += act();
    return (performance.now() - began) * 1_000 / done;
  });
  return summarize(samples);
}

/** Asks often enough that the clock itself costs nothing. */
function asked(machine: { wakeup(): Wakeup | undefined }, times: number): () => number {
  return () => {
    for (let i = 0; i < times; i++) machine.wakeup();
    return times;
  };
}

function compare(name: string, runs: readonly (readonly [number, Summary])[]): void {
  const base = runs[0]?.[1].median ?? NaN;
  for (const [size, summary] of runs) {
    const rise = summary.median / base;
    const remark = size === SIZES[0] ? "" : `${ratio(summary.median, base)} of ${SIZES[0]} peers`;
    const verdict = size === SIZES.at(-1) ? `; ${goal(rise, RATIO_GOAL, "times")}` : "";
    figure(`${name}, ${size} peers`, summary, "µs", remark + verdict);
  }
}

heading("Timers of paths");
const nodes = SIZES.map((size) => [size, new Node(size)] as const);
const wakeups = nodes.map(([size, node]) => [size, time(asked(node, 1_000))] as const);
compare("wakeup", wakeups);
compare("a ping and its pong", nodes.map(([size, node]) => [size, time(() => node.turn())]));
for (const [i, size] of SIZES.entries()) {
  const scan = time(asked(new Scan(size), size > 1_000 ? 1 : 100));
  const heap = wakeups[i]?.[1].median ?? NaN;
  figure(`wakeup by a scan, ${size} peers`, scan, "µs", `${ratio(scan.median, heap)} of the heap`);
}
