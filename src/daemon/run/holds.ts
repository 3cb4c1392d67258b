/**
 * How much the paths to peers matter, as the node is told.
 *
 * @module
 */
import type { PeerKey } from "../../base/mod.ts";
import type { NodeIn } from "../../node/mod.ts";
import type { Demand } from "../../path/mod.ts";
import type { Holds } from "../ports.ts";

/** Tells the node machine what uses the paths to peers. */
export class NodeHolds implements Holds {
  readonly #tell: (input: Extract<NodeIn, { type: "use" | "drop" }>) => void;

  constructor(tell: (input: Extract<NodeIn, { type: "use" | "drop" }>) => void) {
    this.#tell = tell;
  }

  claim(peer: PeerKey, use: string, demand: Demand): void {
    this.#tell({ type: "use", peer, use, demand });
  }

  drop(peer: PeerKey, use: string): void {
    this.#tell({ type: "drop", peer, use });
  }
}
