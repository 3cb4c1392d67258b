/**
 * Renters and providers on the internet, with the real books of both: what leases come to when nodes
 * crash and the network falls apart.
 *
 * @module
 */
import type { NodeId } from "../base/mod.ts";
import { type Candidate, offerFacts, offerOf, type Policy } from "../market/mod.ts";
import type { Host } from "./host.ts";
import { Provider } from "./provider.ts";
import { type Market, Renter } from "./renter.ts";
import { World } from "./world.ts";

/** How many there are of each, and what each provider lends. */
export interface FleetOptions {
  readonly seed: number;
  readonly renters: number;
  readonly providers: number;
  readonly policy: Policy;
}

/** A fleet in a world of its own. */
export class Fleet implements Market {
  readonly world: World;
  readonly renters: readonly Renter[];
  readonly providers: readonly Provider[];
  readonly #byNode: ReadonlyMap<NodeId, Provider>;

  constructor({ seed, renters, providers, policy }: FleetOptions) {
    this.world = new World(seed);
    this.providers = Array.from({ length: providers }, (_, n) => {
      return new Provider(this.world, this.#host(`provider ${n}`, `198.51.100.${n + 1}`), policy);
    });
    this.#byNode = new Map(this.providers.map((each) => [each.host.identity.id, each]));
    this.renters = Array.from({ length: renters }, (_, n) => {
      return new Renter(this.#host(`renter ${n}`, `203.0.113.${n + 1}`), this);
    });
  }

  candidates(): readonly Candidate[] {
    return this.providers.map(({ host, book, policy }) => {
      const offer = offerOf({ ...offerFacts(policy, book.used()), ...WALLS });
      return { node: host.identity.id, offer, rttMs: null, trusted: false, shunned: false };
    });
  }

  reach(from: Host, node: NodeId, done: (reached: boolean) => void): void {
    const provider = this.#byNode.get(node);
    if (provider === undefined) done(false);
    else from.connect(provider.host, done);
  }

  #host(name: string, ip: string): Host {
    return this.world.host({ name, attachments: [{ realm: this.world.internet, ip }] });
  }
}

const WALLS = { isolation: "emulated", confinement: "full" } as const;
