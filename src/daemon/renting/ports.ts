/**
 * What renting stands on: ports of the running node, its rows on the disk, the ssh files of its state, and
 * the market: where VMs are to be had.
 *
 * @module
 */
import type { NetworkId, NodeId, PeerKey, Random, VmId } from "../../base/mod.ts";
import type { Log } from "../../host/log.ts";
import type { Store } from "../../host/store/mod.ts";
import type { FoundProvider } from "../../market/mod.ts";
import type { Calls, Clock, NodeAt, Tasks, Timers, Views } from "../ports.ts";

/** What a renter takes of its node. */
export interface RentingPorts {
  readonly calls: Calls;
  readonly views: Pick<Views, "listen" | "holds" | "self">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly tasks: Tasks;
  readonly rows: Pick<Store, "rentals" | "providers">;
  readonly log: Log;
  readonly random: Random;
}

/** Where VMs are to be had, and under which names: what renting needs of networks and their mesh. */
export interface Market {
  /** A network by name or id; `null`: the only one. @throws {OmertaError} `no-network`, `ambiguous`. */
  network(name: string | null): NetworkId;
  /** What people call the network. */
  networkName(network: NetworkId): string;
  /** A member for sentences: by its alias, its own word, and the beginning of its id, which is not. */
  nameOf(peer: PeerKey): string;
  /**
   * All providers of the network that are known, fresh from its relays.
   *
   * @throws {OmertaError} `no-provider`, `no-relay`.
   */
  providers(network: NetworkId, signal: AbortSignal): Promise<readonly FoundProvider[]>;
  /** A peer by id, prefix or alias. @throws {OmertaError} `not-found`, `ambiguous`. */
  resolve(network: NetworkId, name: string): Promise<NodeId>;
  /** A session with whoever listens at an address. @throws {OmertaError} `unreachable`. */
  meet(network: NetworkId, at: NodeAt, signal: AbortSignal): Promise<PeerKey>;
  /** Begins at another address than those that are known. */
  bootstrap(network: NetworkId, at: NodeAt): Promise<void>;
}

/** With which ssh key a VM is requested. */
export interface RequestKey {
  /** `TYPE BASE64`. */
  readonly publicKey: string;
  /** Absolute path of the private key. */
  readonly identityFile: string;
}

/** The ssh files of the state. */
export interface SshFiles {
  /** Absolute path of the file that pins the VMs' host keys. */
  readonly knownHostsFile: string;
  /** The key that the request brought, or the state's own. @throws {OmertaError} `bad-ssh-key`. */
  forRequest(
    input: { readonly sshPublicKey: string | null; readonly identityFile: string | null },
  ): Promise<RequestKey>;
  /** Pins these host keys, whole `ssh-ed25519 …` lines, and no others. */
  writeKnownHosts(known: readonly { readonly id: VmId; readonly hostKey: string }[]): void;
}
