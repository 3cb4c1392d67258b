/**
 * Tunnels to guests, each with the peer that it leads through: opened on demand, kept by claiming the
 * peer's paths, and the peer reached again for as long as one to it is open.
 *
 * ```text
 *   closed ──open, connect──▶ open ──its peer's session ends──▶ open, reached again and again
 *      ▲                        │                                  │ reached
 *      └────────close───────────┴──────────────────◀───────────────┘
 * ```
 *
 * It knows tunnels and peers, and not what they are for: who rents, serves or runs jobs says so by a name.
 *
 * @module
 */
import {
  Backoff,
  type BackoffPlan,
  BoundedMap,
  OmertaError,
  type PeerKey,
  type Random,
} from "../../base/mod.ts";
import type { Log } from "../../host/log.ts";
import type { DevicePlan } from "../../tunnel/mod.ts";
import type { CallOptions, Calls, Holds, Tasks, Timers, Views } from "../ports.ts";
import type { ProbeDone, ProbeResult, Tunnels } from "./tunnels.ts";

/** Pauses between attempts to reach the peer of an open tunnel. Guess. */
const REACH_AGAIN: BackoffPlan = { stepsMs: [100, 200, 400, 800, 1_500, 2_000] };
/** How long one attempt may take. Guess. */
const REACH_MS = 4_000;

/** Tunnels that can be open at once; beyond that none is opened. Source: as many VMs can be rented. */
const OPEN_TUNNELS_MAX = 4_096;

/** A tunnel that is wanted. */
export interface TunnelPlan {
  /** What people call what it leads to, such as `VM abcd…`; unique. */
  readonly name: string;
  readonly device: DevicePlan;
}

/** On what they stand. */
export interface KeptTunnelsPorts {
  readonly calls: Pick<Calls, "reach">;
  readonly holds: Holds;
  readonly views: Pick<Views, "listen">;
  readonly timers: Pick<Timers, "after">;
  readonly tasks: Tasks;
  readonly log: Pick<Log, "debug">;
  readonly random: Random;
}

/** All tunnels of this node that lead to guests elsewhere. */
export class KeptTunnels {
  readonly #ports: KeptTunnelsPorts;
  readonly #tunnels: Tunnels;
  readonly #open = new Map<number, TunnelPlan>();
  /** Of those that were closed, too: the library tells of the end of their streams after that. */
  readonly #names = new BoundedMap<number, string>(2 * OPEN_TUNNELS_MAX, "evict-oldest");
  /** Peers that are reached again, and what ends the pause before the next attempt. */
  readonly #reaching = new Map<PeerKey, () => void>();
  readonly #unlisten: () => void;
  #isEnding = false;

  constructor(ports: KeptTunnelsPorts, tunnels: Tunnels) {
    this.#ports = ports;
    this.#tunnels = tunnels;
    this.#unlisten = ports.views.listen((event) => {
      if (event.type === "peer-down") this.#onPeerDown(event.peer);
    });
  }

  /**
   * Opens the tunnel, unless it is open: from now on its peer is kept in reach.
   *
   * @throws {OmertaError} `refused` where too many are open.
   */
  open(plan: TunnelPlan): void {
    const { device } = plan;
    if (!this.#open.has(device.tunnel) && this.#open.size >= OPEN_TUNNELS_MAX) {
      throw new OmertaError("refused", `No more than ${OPEN_TUNNELS_MAX} tunnels can be open`);
    }
    this.#tunnels.open(device);
    this.#open.set(device.tunnel, plan);
    this.#names.set(device.tunnel, plan.name);
    this.#ports.holds.claim(device.peer, useOf(plan), "busy");
  }

  /** Reaches the tunnel's peer, and opens it. @throws {OmertaError} where nobody answers. */
  async connect(plan: TunnelPlan, options: CallOptions): Promise<void> {
    await this.#ports.calls.reach(plan.device.peer, options);
    this.open(plan);
  }

  /** Closes the tunnel and every stream in it; nothing, where it is not open. */
  close(tunnel: number): void {
    const plan = this.#open.get(tunnel);
    if (plan === undefined) return;
    this.#open.delete(tunnel);
    this.#tunnels.close(tunnel);
    this.#ports.holds.drop(plan.device.peer, useOf(plan));
    if (!this.#isWanted(plan.device.peer)) this.#reaching.get(plan.device.peer)?.();
  }

  /** Waits until ssh greets through an open tunnel. @throws {OmertaError} `vm-failed`; the signal's reason. */
  probeSsh(tunnel: number, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
    return this.#tunnels.probeSsh(tunnel, timeoutMs, signal);
  }

  /** Takes the native library's word about a probe. */
  onProbeDone(done: ProbeDone): void {
    this.#tunnels.onProbeDone(done);
  }

  /** What people call that to which the tunnel of this native number leads. */
  nameOf(tunnel: number): string | null {
    return this.#names.get(tunnel) ?? null;
  }

  /** Reaches nobody again; what is open stays so until the node ends. */
  end(): void {
    this.#isEnding = true;
    this.#unlisten();
    for (const endPause of this.#reaching.values()) endPause();
  }

  #onPeerDown(peer: PeerKey): void {
    if (!this.#isWanted(peer) || this.#reaching.has(peer)) return;
    this.#reaching.set(peer, () => {});
    const again = () => this.#reachAgain(peer).finally(() => this.#reaching.delete(peer));
    this.#ports.tasks.background("reach the peer of a tunnel again", again);
  }

  async #reachAgain(peer: PeerKey): Promise<void> {
    const { calls, timers, log, random } = this.#ports;
    const backoff = new Backoff(REACH_AGAIN, random);
    while (this.#isWanted(peer)) {
      try {
        await calls.reach(peer, { timeoutMs: REACH_MS });
        return;
      } catch (error) {
        log.debug("the peer of a tunnel is not reached", { error: String(error) });
      }
      const pause = Promise.withResolvers<void>();
      const voidTimer = timers.after(backoff.next(), pause.resolve);
      this.#reaching.set(peer, () => {
        voidTimer();
        pause.resolve();
      });
      await pause.promise;
    }
  }

  #isWanted(peer: PeerKey): boolean {
    return !this.#isEnding && [...this.#open.values()].some(({ device }) => device.peer === peer);
  }
}

/** By what a tunnel claims its peer's paths. */
function useOf({ name }: TunnelPlan): string {
  return `tunnel to ${name}`;
}
