/**
 * Ways into rented VMs: their tunnels opened when somebody wants in, tickets and forwards through them, and
 * what ssh must know.
 *
 * @module
 */
import type { VmId } from "../../base/mod.ts";
import { isReachable, type Rental } from "../../market/mod.ts";
import type { Forward, GuestStreams } from "../streams/guest_streams.ts";
import type { KeptTunnels } from "../streams/kept_tunnels.ts";
import type { SshFiles } from "./ports.ts";
import { hostKeyOf, sshAddress, tunnelOf } from "./rental_tunnel.ts";
import type { Rentals } from "./rentals.ts";
import { notReady } from "./renting_errors.ts";

/** A VM as ssh needs it. */
export interface SshWay {
  readonly id: VmId;
  readonly name: string | null;
  readonly user: string;
  /** A whole `ssh-ed25519 …` line. */
  readonly hostKey: string;
  /** `[ADDRESS]:PORT` inside the tunnel. */
  readonly address: string;
  /** Absolute path of the private key. */
  readonly identityFile: string;
  /** Absolute path of the file that pins the VM's host key. */
  readonly knownHostsFile: string;
}

/** A VM whose tunnel is open. */
export interface OpenWay {
  readonly id: VmId;
  /** The tunnel's native number. */
  readonly tunnel: number;
  /** The guest's address inside it. */
  readonly guestAddress: string;
}

/** On what it stands. */
export interface VmAccessParts {
  readonly rentals: Rentals;
  readonly tunnels: KeptTunnels;
  readonly streams: GuestStreams;
  readonly ssh: SshFiles;
}

/** Lets people into what they rent. */
export class VmAccess {
  readonly #parts: VmAccessParts;

  constructor(parts: VmAccessParts) {
    this.#parts = parts;
  }

  /**
   * Makes sure that the VM's tunnel is open.
   *
   * @throws {OmertaError} `not-found`, `ambiguous`, `lease-ended`, `unreachable`.
   */
  async connect(name: string | null, signal: AbortSignal): Promise<OpenWay> {
    const rental = this.#parts.rentals.findLiving(name);
    const plan = tunnelOf(rental);
    if (plan === null) throw notReady(rental);
    await this.#parts.tunnels.connect(plan, { signal });
    const { tunnel, peerAddress } = plan.device;
    return { id: rental.id, tunnel, guestAddress: peerAddress };
  }

  /** A one-use ticket for a stream to a port of a VM. @throws {OmertaError} as `connect`. */
  async ticket(name: string | null, port: number, signal: AbortSignal): Promise<string> {
    const { tunnel } = await this.connect(name, signal);
    return this.#parts.streams.ticket(tunnel, port);
  }

  /** Forwards ports of this machine into the tunnel until the signal is aborted. */
  async forward(
    { tunnel }: OpenWay,
    forwards: readonly Forward[],
    options: Parameters<GuestStreams["forward"]>[2],
  ): Promise<void> {
    await this.#parts.streams.forward(tunnel, forwards, options);
  }

  /**
   * What OpenSSH needs for a VM, or for all that are ready.
   *
   * @throws {OmertaError} `not-found`, `ambiguous`, `lease-ended`.
   */
  sshWays(name: string | null, all: boolean): SshWay[] {
    const { rentals } = this.#parts;
    const isReady = (rental: Rental) => rental.state === "ready" && !rental.dryRun;
    const meant = all ? rentals.book.list().filter(isReady) : [rentals.findLiving(name)];
    const unready = meant.find((rental) => !isReady(rental));
    if (unready !== undefined) throw notReady(unready);
    rentals.pinHostKeys();
    return meant.map((rental) => this.#way(rental));
  }

  /** The way by ssh into one VM; `null` where there is none. */
  sshWay(rental: Rental): SshWay | null {
    return isReachable(rental) ? this.#way(rental) : null;
  }

  #way(rental: Rental): SshWay {
    return {
      id: rental.id,
      name: rental.name,
      user: rental.created?.user ?? "root",
      hostKey: hostKeyOf(rental) ?? "",
      address: sshAddress(rental) ?? "",
      identityFile: rental.identityFile,
      knownHostsFile: this.#parts.ssh.knownHostsFile,
    };
  }
}
