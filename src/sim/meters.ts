/**
 * What is measured in a run: when hosts that want each other have a session, when it is direct, and for
 * how long their tunnel was silent.
 *
 * @module
 */
import { Backoff, type BackoffPlan, type Instant, type Path, randomUint32 } from "../base/mod.ts";
import { hopAddress, isRelayed } from "../wire/mod.ts";
import type { Host } from "./host.ts";
import type { World } from "./world.ts";

/** How two hosts that wanted each other are joined. */
export type PairEnd = "direct" | "relayed" | "none";

/** One host wanted another. */
export class PairMeter {
  readonly #askedAt: Instant;
  /** Milliseconds until there was a session, and until the path was direct. */
  sessionMs: number | null = null;
  directMs: number | null = null;

  constructor(
    world: World,
    readonly from: Host,
    readonly to: Host,
    readonly label: string | null,
  ) {
    this.#askedAt = world.now;
    const note = () => this.#note(world.now);
    from.listen((output) => {
      if (output.type === "moved" && output.peer === to.peer) note();
    });
    note();
  }

  /** How they are joined now; they are not where one of them does not know. */
  get end(): PairEnd {
    const paths = [pathTo(this.from, this.to), pathTo(this.to, this.from)];
    if (paths.some((path) => path === null)) return "none";
    return paths.some((path) => path !== null && isRelayed(path)) ? "relayed" : "direct";
  }

  /** Whether both are these, in either order. */
  isBetween(names: readonly [string, string]): boolean {
    return isPair(this, names);
  }

  #note(now: Instant): void {
    const path = pathTo(this.from, this.to);
    if (path === null) return;
    this.sessionMs ??= now - this.#askedAt;
    if (!isRelayed(path)) this.directMs ??= now - this.#askedAt;
  }
}

/** The path on which one sends to the other; `null` where it has none. */
export function pathTo(from: Host, to: Host): Path | null {
  return from.isUp && to.isUp ? from.machine.view.activePath(to.peer) : null;
}

/** Bytes of a frame that measures: as a ping through WireGuard. */
const FRAME_BYTES = 128;

/** Waits between attempts to reach the far end again. Source: the daemon's open tunnels. */
const REACH_AGAIN: BackoffPlan = { stepsMs: [100, 200, 400, 800, 1_500, 2_000], jitter: 0 };

/**
 * A tunnel in which one end sends and the other answers. Where the session ends, the sender wants it back,
 * as an open tunnel of the daemon does.
 */
export class TunnelMeter {
  sent = 0;
  answered = 0;
  /** The longest time without an answer since the first one. */
  silenceMs = 0;
  #answeredAt: Instant | null = null;
  readonly #frame: Uint8Array;
  readonly #backoff: Backoff;
  /** By which each end knows the tunnel. */
  readonly #ids: { readonly from: number; readonly to: number };

  constructor(
    readonly world: World,
    readonly from: Host,
    readonly to: Host,
    readonly everyMs: number,
  ) {
    const random = world.random(`tunnel ${from.name} ${to.name}`);
    this.#frame = random.bytes(FRAME_BYTES);
    this.#ids = { from: randomUint32(random), to: randomUint32(random) };
    from.openTunnel(this.#ids.from, { peer: to.peer, take: () => this.#onAnswer() });
    to.openTunnel(this.#ids.to, {
      peer: from.peer,
      take: (frame) => to.sendTunnel(from.peer, this.#ids.from, frame),
    });
    this.#backoff = new Backoff(REACH_AGAIN, random);
    from.listen((output) => {
      if (output.type === "peer-down" && output.peer === to.peer) this.#reachAgain();
    });
    this.#send();
  }

  /** Whether both are these, in either order. */
  isBetween(names: readonly [string, string]): boolean {
    return isPair(this, names);
  }

  /** The run is over: silence until now counts, too. */
  finish(): void {
    this.#noteSilence();
  }

  #send(): void {
    if (this.from.isUp) {
      this.sent++;
      this.from.sendTunnel(this.to.peer, this.#ids.to, this.#frame);
    }
    this.world.later(this.everyMs, () => this.#send());
  }

  #reachAgain(): void {
    this.from.reach(this.to, (reached) => {
      if (reached) return this.#backoff.reset();
      this.from.later(this.#backoff.next(), () => this.#reachAgain());
    });
  }

  #onAnswer(): void {
    this.answered++;
    this.#noteSilence();
    this.#answeredAt = this.world.now;
  }

  #noteSilence(): void {
    if (this.#answeredAt === null) return;
    this.silenceMs = Math.max(this.silenceMs, this.world.now - this.#answeredAt);
  }
}

/** Counts what hosts send to addresses that matter to a scenario. */
export class AddressMeter {
  readonly #counts = new Map<string, number>();

  constructor(readonly ips: readonly string[]) {}

  /** Watches one more host. */
  watch(host: Host): void {
    if (this.ips.length === 0) return;
    host.listen((output) => {
      if (output.type !== "transmit") return;
      const ip = hopAddress(output.path)?.ip;
      if (ip === undefined || !this.ips.includes(ip)) return;
      this.#counts.set(ip, this.of(ip) + 1);
    });
  }

  /** So many datagrams went there. */
  of(ip: string): number {
    return this.#counts.get(ip) ?? 0;
  }
}

/** The value below which that share of the values lies; `null` of none. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? null;
}

function isPair(
  { from, to }: { readonly from: Host; readonly to: Host },
  [a, b]: readonly [string, string],
): boolean {
  return (from.name === a && to.name === b) || (from.name === b && to.name === a);
}
