/**
 * Ports of use cases that do nothing but remember what was asked of them.
 *
 * @module
 */
import type { PeerKey } from "../../src/base/mod.ts";
import type { Holds } from "../../src/daemon/ports.ts";
import { KeepAlive } from "../../src/node/keep_alive.ts";
import type { Demand } from "../../src/path/mod.ts";

/** Claims on paths. */
export class FakeHolds implements Holds {
  readonly #claims = new KeepAlive();

  claim(peer: PeerKey, use: string, demand: Demand): void {
    this.#claims.use(peer, use, demand);
  }

  drop(peer: PeerKey, use: string): void {
    this.#claims.drop(peer, use);
  }

  /** How much the paths to a peer matter now. */
  of(peer: PeerKey): Demand {
    return this.#claims.of(peer);
  }
}
