/**
 * What use cases see of the members' records.
 *
 * @module
 */
import type { NetworkId, PeerKey } from "../../base/mod.ts";
import type { NodeRecord, Role } from "../../membership/mod.ts";
import type { CallOptions, Records } from "../ports.ts";
import type { Loop } from "./loop.ts";
import type { Searches } from "./searches.ts";

/** How long all records may take unless the caller says otherwise: pages of 10 000, say. Guess. */
const REFRESH_MS = 60_000;

/** The records that a running node knows. */
export class NodeRecords implements Records {
  readonly #loop: Pick<Loop, "view">;
  readonly #searches: Pick<Searches, "list">;

  constructor(loop: Pick<Loop, "view">, searches: Pick<Searches, "list">) {
    this.#loop = loop;
    this.#searches = searches;
  }

  async refresh(
    network: NetworkId,
    options: Pick<CallOptions, "timeoutMs" | "signal"> = {},
  ): Promise<boolean> {
    return await this.#searches.list(network, { timeoutMs: REFRESH_MS, ...options });
  }

  of(peer: PeerKey): NodeRecord | undefined {
    return this.#loop.view.records.record(peer);
  }

  list(network: NetworkId, role?: Role): NodeRecord[] {
    return this.#loop.view.records.records(network, role);
  }

  isCutOff(network: NetworkId): boolean {
    return this.#loop.view.relays.isCutOff(network);
  }
}
