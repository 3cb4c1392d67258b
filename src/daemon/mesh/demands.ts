/**
 * Why the paths to a peer matter: each use claims its demand, the greatest counts, and a session that
 * comes up again finds it in force.
 *
 * @module
 */
import type { PeerKey } from "../../base/mod.ts";
import type { Demand } from "../../path/mod.ts";
import type { Loop } from "../run/loop.ts";

/** From least to greatest. */
const ORDER: readonly Demand[] = ["hold", "warm", "busy"];

/** The demands on the paths to all peers. Claims are as many as tunnels, VMs, relays and pings. */
export class Demands {
  readonly #loop: Pick<Loop, "input" | "listen">;
  readonly #claims = new Map<PeerKey, Map<string, Demand>>();

  constructor(loop: Pick<Loop, "input" | "listen">) {
    this.#loop = loop;
    loop.listen((event) => {
      if (event.type === "peer-up" && event.kind === "epoch") this.#apply(event.peer);
    });
  }

  /** `use`, such as `VM abcd…`, needs the peer's paths that much from now on. */
  claim(peer: PeerKey, use: string, demand: Demand): void {
    const claims = this.#claims.get(peer) ?? new Map();
    this.#claims.set(peer, claims.set(use, demand));
    this.#apply(peer);
  }

  /** `use` is over. */
  drop(peer: PeerKey, use: string): void {
    const claims = this.#claims.get(peer);
    if (!claims?.delete(use)) return;
    if (claims.size === 0) this.#claims.delete(peer);
    this.#apply(peer);
  }

  /** The greatest demand on the peer's paths. */
  of(peer: PeerKey): Demand {
    const claimed = [...this.#claims.get(peer)?.values() ?? []];
    return ORDER.findLast((demand) => claimed.includes(demand)) ?? "hold";
  }

  #apply(peer: PeerKey): void {
    this.#loop.input({ type: "demand", peer, demand: this.of(peer) });
  }
}
