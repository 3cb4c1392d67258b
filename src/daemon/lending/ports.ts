/**
 * What lending stands on: ports of the running node, its rows on the disk, and the machine that it lends.
 *
 * @module
 */
import type { Random } from "../../base/mod.ts";
import type { Log } from "../../host/log.ts";
import type { HostedRow } from "../../host/store/mod.ts";
import type { MachineRoom } from "../../market/mod.ts";
import type { GuestPlan } from "../../tunnel/mod.ts";
import type { GuestKind } from "../../vm/mod.ts";
import type { Calls, Clock, Holds, Tasks, Timers, Views } from "../ports.ts";

/** The rows of lent VMs. */
export interface LentRows {
  list(where?: { readonly endedAtMs: null }): readonly HostedRow[];
  /** @throws {OmertaError} `disk-full`. */
  put(row: HostedRow): void;
  delete(key: Pick<HostedRow, "id">): void;
  /** Removes the rows of VMs that ended before then. */
  prune(endedBeforeMs: number): void;
  /** Writes all that `act` writes at once, or nothing of it. */
  together(act: () => void): void;
}

/** The provider's ends of tunnels, in the native data path. */
export interface GuestEnds {
  /** Resolves when the VM's helper has taken its end. @throws {OmertaError} `vm-failed`. */
  open(plan: GuestPlan): Promise<void>;
  /** @throws {OmertaError} `not-found` where it is not open. */
  close(tunnel: number): void;
}

/** What a provider takes of its node. */
export interface LendingPorts {
  readonly calls: Pick<Calls, "serve" | "call">;
  readonly holds: Holds;
  readonly views: Pick<Views, "isConnected" | "holds" | "nameOf">;
  readonly clock: Clock;
  readonly timers: Pick<Timers, "after">;
  readonly tasks: Tasks;
  readonly rows: LentRows;
  readonly ends: GuestEnds;
  readonly random: Random;
  readonly log: Log;
}

/** An image that is whole. */
export interface CheckedImage {
  /** SHA-256, in hex. */
  readonly digest: string;
  readonly guest: GuestKind;
}

/** What is looked up on the machine itself before anything is promised. */
export interface Ground {
  /** Checks that the image is whole. @throws {OmertaError} `image-missing`, `image-corrupt`. */
  checkImage(name: string): Promise<CheckedImage>;
  /**
   * What the machine has left for one more VM, with `promised` as what was promised to others and not
   * taken yet.
   */
  roomLeft(promised: MachineRoom): MachineRoom;
}
