/**
 * The market of a simulated world: who lends and who rents there, and what each knows of the others. A
 * record's offer is taken from the provider's book as it is, for records are told soon.
 *
 * @module
 */
import type { NodeId } from "../base/mod.ts";
import { type Candidate, offerFacts, offerOf, type Policy } from "../market/mod.ts";
import type { Host } from "./host.ts";
import { Provider } from "./provider.ts";
import { type Market, Renter } from "./renter.ts";
import type { World } from "./world.ts";

const WALLS = { isolation: "emulated", confinement: "full" } as const;

/** Providers and renters, by the names of their hosts. */
export class Lending implements Market {
  readonly providers = new Map<string, Provider>();
  readonly renters = new Map<string, Renter>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** A host lends from now on. */
  lend(host: Host, policy: Policy): void {
    this.providers.set(host.name, new Provider(this.#world, host, policy));
  }

  /** A host rents from now on. */
  rent(host: Host): void {
    this.renters.set(host.name, new Renter(host, this));
  }

  /** The node of a host dies, with what hangs on it. */
  crash(host: Host): void {
    const user = this.providers.get(host.name) ?? this.renters.get(host.name) ?? host;
    user.crash();
  }

  candidates(): readonly Candidate[] {
    const found = [...this.providers.values()].map(({ host, book, policy }) => {
      const offer = offerOf({ ...offerFacts(policy, book.used()), ...WALLS });
      return { node: host.identity.id, offer, rttMs: null, trusted: false, shunned: false };
    });
    return found.sort((a, b) => a.node < b.node ? -1 : 1); // whoever came into the world first
  }

  reach(from: Host, node: NodeId, done: (reached: boolean) => void): void {
    const provider = [...this.providers.values()].find(({ host }) => host.identity.id === node);
    if (provider === undefined) done(false);
    else from.connect(provider.host, done);
  }
}
