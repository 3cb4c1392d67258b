/**
 * What use cases see of peers: who is there, what it may do, how far away it is.
 *
 * @module
 */
import type { NodeId, PeerKey } from "../../base/mod.ts";
import type { Grant, Member } from "../../membership/mod.ts";
import type { PeerEvent, Views } from "../ports.ts";
import type { Loop } from "./loop.ts";

/** The views of a running node. */
export class NodeViews implements Views {
  readonly self: NodeId;
  readonly nameOf: (peer: PeerKey) => string;
  readonly #loop: Pick<Loop, "view" | "listen">;

  constructor(
    self: NodeId,
    loop: Pick<Loop, "view" | "listen">,
    nameOf: (peer: PeerKey) => string,
  ) {
    this.self = self;
    this.#loop = loop;
    this.nameOf = nameOf;
  }

  listen(listener: (event: PeerEvent) => void): () => void {
    return this.#loop.listen((event) => {
      if (event.type === "peer-up" && event.kind === "epoch") {
        listener({ type: "peer-up", peer: event.peer, renewed: event.renewed });
      }
      if (event.type === "peer-down" && event.kind === "epoch") {
        listener({ type: "peer-down", peer: event.peer, reason: event.reason });
      }
    });
  }

  isConnected(peer: PeerKey): boolean {
    return this.#loop.view.isConnected(peer);
  }

  connected(): PeerKey[] {
    return this.#loop.view.connected();
  }

  member(peer: PeerKey): Member | undefined {
    return this.#loop.view.member(peer);
  }

  holds(peer: PeerKey, grant: Grant): boolean {
    return this.member(peer)?.grants.includes(grant) ?? false;
  }

  rttMs(peer: PeerKey): number | null {
    return this.#loop.view.rttMs(peer);
  }
}
