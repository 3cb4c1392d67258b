/**
 * The renter's side of a running node: requests VMs, keeps their tunnels open and their leases alive, lets
 * people in, and ends them.
 *
 * ```text
 *   requests ─▶ request_run ─▶ request_round ─▶ bring_up ─┐
 *   leases · releases · access ──────────────────────────▶├─▶ rentals (the book at work) ─▶ rows, calls,
 *                                                         │                                 tunnels
 *   known providers: whom to trust, who failed ◀──────────┘
 * ```
 *
 * @module
 */
import type { ProviderRow } from "../../host/store/mod.ts";
import type { GuestStreams } from "../streams/guest_streams.ts";
import type { KeptTunnels } from "../streams/kept_tunnels.ts";
import { changeTrust, KnownProviders, type TrustChange } from "./known_providers.ts";
import { Leases } from "./leases.ts";
import type { Market, RentingPorts, SshFiles } from "./ports.ts";
import { Releases } from "./releases.ts";
import { Rentals } from "./rentals.ts";
import { Requests } from "./requests.ts";
import { VmAccess } from "./vm_access.ts";

/** With what a renter is made. */
export interface RenterParts {
  readonly ports: RentingPorts;
  /** Where to ask, and by which names. */
  readonly market: Market;
  readonly ssh: SshFiles;
  readonly tunnels: KeptTunnels;
  readonly streams: GuestStreams;
}

/** The renter's side of a running node. */
export class Renter {
  readonly rentals: Rentals;
  readonly requests: Requests;
  readonly leases: Leases;
  readonly releases: Releases;
  readonly access: VmAccess;
  readonly #known: KnownProviders;
  readonly #market: Market;

  constructor({ ports, market, ssh, tunnels, streams }: RenterParts) {
    this.#market = market;
    this.#known = new KnownProviders(ports);
    this.rentals = new Rentals({ ports, tunnels, ssh });
    const { rentals } = this;
    this.leases = new Leases(ports, rentals);
    this.releases = new Releases(market, rentals);
    this.access = new VmAccess({ rentals, tunnels, streams, ssh });
    const { leases } = this;
    const known = this.#known;
    this.requests = new Requests({ ports, market, known, ssh, tunnels, rentals, leases });
  }

  /** Changes whom this node trusts; tells whom it knows. */
  async trust(change: TrustChange, signal: AbortSignal): Promise<readonly ProviderRow[]> {
    return await changeTrust({ known: this.#known, market: this.#market }, change, signal);
  }

  /** Takes up what a node that ended left half done: calls reach others from now on. */
  resume(): void {
    this.rentals.take({ type: "resume" });
  }

  /** Ends the timers; the VMs live on until their leases end. */
  end(): void {
    this.rentals.end();
  }
}
