/**
 * The tunnels of rented VMs: opened when somebody wants in, and their providers reached again for as
 * long as one is open.
 *
 * @module
 */
import type { PeerKey } from "../../base/mod.ts";
import type { Context } from "../context.ts";
import type { CallOptions } from "../ports.ts";
import type { Reach } from "../mesh/reach.ts";
import { providerOf, type Rental, tunnelPlan, useOf } from "./rental.ts";
import { notReady } from "./rental_names.ts";
import type { Tunnels } from "../streams/tunnels.ts";

/** Pauses between attempts to reach the provider of an open tunnel. Guess. */
const REACH_AGAIN_MS: readonly number[] = [100, 200, 400, 800, 1_500, 2_000];
/** How long one attempt may take. Guess. */
const REACH_MS = 4_000;

/** What the tunnels need. */
export interface RentedTunnelsParts {
  readonly context: Context;
  readonly reach: Reach;
  readonly tunnels: Tunnels;
  rentals(): Iterable<Rental>;
}

/** The tunnels of a renter. */
export class RentedTunnels {
  readonly #parts: RentedTunnelsParts;
  readonly #reaching = new Set<PeerKey>();
  #ending = false;

  constructor(parts: RentedTunnelsParts) {
    this.#parts = parts;
  }

  /** Makes sure that the VM's tunnel is open. @throws {OmertaError} where it has none, or nobody answers. */
  async connect(rental: Rental, options: CallOptions): Promise<void> {
    const { reach, tunnels, context } = this.#parts;
    const plan = tunnelPlan(rental);
    if (plan === null) throw notReady(rental);
    await reach.peer(plan.peer, options);
    tunnels.open(plan);
    context.demands.claim(plan.peer, useOf(rental), "busy");
  }

  /** The session with a provider ended: an open tunnel wants it back. */
  onPeerDown(peer: PeerKey): void {
    if (!this.#isWanted(peer) || this.#reaching.has(peer)) return;
    this.#reaching.add(peer);
    const again = () => this.#reachAgain(peer).finally(() => this.#reaching.delete(peer));
    this.#parts.context.background("reach a provider again", again);
  }

  /** Providers to which a tunnel is open. */
  busyPeers(): PeerKey[] {
    const { tunnels } = this.#parts;
    const open = [...this.#parts.rentals()].filter((each) => tunnels.isOpen(each.localTunnel));
    return [...new Set(open.map(providerOf))];
  }

  /** The VM whose tunnel has this native number. */
  nameOf(local: number): string | null {
    const rental = [...this.#parts.rentals()].find((each) => each.localTunnel === local);
    return rental === undefined ? null : `VM ${rental.id}`;
  }

  /** Reaches nobody again. */
  close(): void {
    this.#ending = true;
  }

  async #reachAgain(peer: PeerKey): Promise<void> {
    const { reach, context } = this.#parts;
    for (let attempt = 0; this.#isWanted(peer); attempt++) {
      try {
        await reach.peer(peer, { timeoutMs: REACH_MS });
        return;
      } catch (error) {
        context.log.debug("a provider is not reached", { error: String(error) });
      }
      const waitMs = REACH_AGAIN_MS[Math.min(attempt, REACH_AGAIN_MS.length - 1)];
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  #isWanted(peer: PeerKey): boolean {
    return !this.#ending && this.busyPeers().includes(peer);
  }
}
