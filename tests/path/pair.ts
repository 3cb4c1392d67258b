/**
 * Two path machines and what lies between them: a relay, and a direct way through two NATs that let
 * nobody in to whom nothing was sent. Seeded loss and delay; time is a number that events move on.
 *
 * ```text
 *   a ── RELAY#1 ── b        a sees b at B_SEEN, b sees a at A_SEEN; all other addresses are victims
 * ```
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  after,
  type Instant,
  type NetworkId,
  type NodeId,
  type Path,
  type PeerKey,
  peerKey,
  type Random,
  seededRandom,
} from "../../src/base/mod.ts";
import { EventHeap } from "../../src/sim/mod.ts";
import { PathMachine } from "../../src/path/mod.ts";
import type { Candidate, PathIn, PathOut } from "../../src/path/mod.ts";
import { asPath } from "../../src/wire/mod.ts";

/** The relayed path; one of the relay's sessions, so both ends name it alike. */
export const RELAYED = asPath("198.51.100.1:9000#00000001");
/** Where b sees a, and a sees b. */
export const A_SEEN = asPath("203.0.113.1:1111");
export const B_SEEN = asPath("203.0.113.2:2222");

/** A way between the two. */
export interface Way {
  up: boolean;
  /** Chance of the loss of a datagram. */
  loss: number;
  delayMs: { min: number; max: number };
}

/** What came out of a machine, and when. */
export type Said<T extends PathOut["type"] = PathOut["type"]> =
  & Extract<PathOut, { type: T }>
  & { readonly at: Instant };

/** One of the two. */
export class End {
  readonly machine: PathMachine;
  readonly said: Said[] = [];
  /** What this end tries when candidates were exchanged. */
  candidates: Candidate[] = [];
  readonly #pair: Pair;

  constructor(pair: Pair, readonly peer: PeerKey, readonly seenAt: Path) {
    this.#pair = pair;
    this.machine = new PathMachine(pair.random);
  }

  get active(): string | null {
    return this.machine.active(this.peer);
  }

  take(input: PathIn): void {
    const out: PathOut[] = [];
    this.machine.handle(input, this.#pair.now, out);
    for (const output of out) {
      this.said.push({ ...output, at: this.#pair.now });
      this.#pair.perform(this, output);
    }
  }

  /** Outputs of a type, so far. */
  heard<T extends PathOut["type"]>(type: T): Said<T>[] {
    return this.said.filter((output): output is Said<T> => output.type === type);
  }

  /** Full pings that went to an address. */
  probesTo(address: string): number {
    return this.heard("send").filter(({ path, ttl }) => path === address && ttl === 0).length;
  }
}

/** The two machines with their clock. */
export class Pair {
  now = 0 as Instant;
  readonly random: Random;
  readonly relay: Way = { up: true, loss: 0, delayMs: { min: 20, max: 20 } };
  readonly direct: Way = { up: true, loss: 0, delayMs: { min: 10, max: 10 } };
  /** `a` drives the upgrade. */
  readonly a: End;
  readonly b: End;
  readonly #events = new EventHeap<() => void>();
  /** Which NAT lets in what comes from the other end. */
  readonly #opened = new Set<End>();

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const network = "n" as NetworkId;
    this.a = new End(this, peerKey(network, "b" as NodeId), A_SEEN);
    this.b = new End(this, peerKey(network, "a" as NodeId), B_SEEN);
    this.a.candidates = [{ address: B_SEEN, source: "peer", vouchedBy: "relay" }];
    this.b.candidates = [{ address: A_SEEN, source: "peer", vouchedBy: "relay" }];
  }

  /** Both have a session through the relay; what is wanted of the paths. */
  begin(demand: "hold" | "warm" | "busy" = "busy"): this {
    for (const [end, punch] of [[this.a, true], [this.b, false]] as const) {
      end.take({ type: "peer-up", peer: end.peer, path: RELAYED, proven: true, punch });
      end.take({ type: "demand", peer: end.peer, demand });
    }
    return this;
  }

  /** The same, and some time for the upgrade. */
  upgraded(demand: "hold" | "warm" | "busy" = "busy"): this {
    this.begin(demand).run(2_000);
    assert.deepEqual([this.a.active, this.b.active], [B_SEEN, A_SEEN]);
    return this;
  }

  other(end: End): End {
    return end === this.a ? this.b : this.a;
  }

  perform(end: End, output: PathOut): void {
    if (output.type === "offer-candidates") this.#exchange(end);
    if (output.type !== "send") return;
    const other = this.other(end);
    if (output.path === RELAYED) return this.#fly(this.relay, other, RELAYED, output.payload);
    if (output.path !== other.seenAt) return; // a victim's
    this.#opened.add(end);
    if (output.ttl > 0 || !this.#opened.has(other)) return;
    this.#fly(this.direct, other, end.seenAt, output.payload);
  }

  /** Runs datagrams and timers for so long, in order. */
  run(forMs: number): this {
    const end = after(this.now, forMs);
    for (let steps = 0;; steps++) {
      assert.ok(steps < 100_000, `the pair does not come to rest: ${this.#timer()?.why}`);
      const next = this.#next();
      if (next === undefined || next.at > end) break;
      this.now = next.at;
      next.act();
    }
    this.now = end;
    return this;
  }

  /** What the node machine does by a call inside the relayed session. */
  #exchange(driver: End): void {
    const other = this.other(driver);
    const { up, delayMs } = this.relay;
    if (!up || driver.active !== RELAYED) return;
    this.#later(delayMs.max, () => {
      const startInMs = delayMs.max;
      other.take({ type: "punch", peer: other.peer, candidates: other.candidates, startInMs });
    });
    this.#later(2 * delayMs.max, () => {
      driver.take({
        type: "punch",
        peer: driver.peer,
        candidates: driver.candidates,
        startInMs: 0,
      });
    });
  }

  #fly(way: Way, to: End, seenFrom: Path, bytes: Uint8Array): void {
    if (!way.up || this.#chance() < way.loss) return;
    const { min, max } = way.delayMs;
    this.#later(min + this.#chance() * (max - min), () => {
      if (way.up) to.take({ type: "probe", peer: to.peer, path: seenFrom, bytes });
    });
  }

  #later(ms: number, act: () => void): void {
    this.#events.push(after(this.now, ms), 0, act);
  }

  #next(): { at: Instant; act: () => void } | undefined {
    const at = this.#events.nextAt();
    const timer = this.#timer();
    if (at === undefined || (timer !== undefined && timer.at < at)) return timer;
    return { at, act: () => this.#events.pop()?.() };
  }

  #timer(): { at: Instant; why: string; act: () => void } | undefined {
    const timers = [this.a, this.b].flatMap((end) => {
      const wakeup = end.machine.wakeup();
      if (wakeup === undefined) return [];
      const at = Math.max(wakeup.at, this.now) as Instant;
      return [{ at, why: wakeup.why, act: () => end.take({ type: "wake" }) }];
    });
    return timers.toSorted((x, y) => x.at - y.at)[0];
  }

  #chance(): number {
    const [high = 0, low = 0] = this.random.bytes(2);
    return (high * 256 + low) / 65_536;
  }
}
