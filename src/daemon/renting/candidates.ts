/**
 * Whom a request may ask: who was named, who is trusted, or whoever lends in the network, as far as their
 * offers suit; with what this node has seen of each.
 *
 * @module
 */
import { type NetworkId, type NodeId, OmertaError, splitPeerKey } from "../../base/mod.ts";
import { orAborted } from "../../host/waiting.ts";
import {
  type Candidate,
  type FoundProvider,
  isOfSameKind,
  isShunned,
  isWorthAsking,
  UNKNOWN_OFFER,
} from "../../market/mod.ts";
import type { KnownProviders } from "./known_providers.ts";
import type { Market, RentingPorts } from "./ports.ts";
import { rentsFromItself } from "./renting_errors.ts";
import type { VmRequest } from "./vm_request.ts";

/** Where candidates are looked for. */
export interface CandidatesParts {
  readonly ports: Pick<RentingPorts, "views" | "clock">;
  readonly market: Market;
  readonly known: KnownProviders;
  readonly signal: AbortSignal;
}

/** The candidates of one request, looked for anew in each round. */
export class Candidates {
  readonly #parts: CandidatesParts;
  readonly #network: NetworkId;
  readonly #request: VmRequest;
  /** Those whom this request trusts; `null`: whoever serves. */
  #trusted: readonly NodeId[] | null | undefined;
  /** The provider at the address that a person named. */
  #named: NodeId | undefined;

  constructor(parts: CandidatesParts, network: NetworkId, request: VmRequest) {
    this.#parts = parts;
    this.#network = network;
    this.#request = request;
  }

  /**
   * Those who may be asked now; whom the request trusts is kept as trusted.
   *
   * @throws {OmertaError} `no-provider`, `no-relay`, `not-found`, `ambiguous`, the signal's reason.
   */
  async find(): Promise<readonly Candidate[]> {
    const { signal, ports, known } = this.#parts;
    const found = await orAborted(this.#found(), signal);
    const own = ports.views.self;
    if (found.length === 1 && found[0]?.node === own) throw rentsFromItself();
    const suitable = found.filter(({ node, offer }) =>
      node !== own && isWorthAsking(offer, this.#request)
    );
    if (suitable.length === 0) throw nobodySuits(found.length);
    const same = suitable.filter(({ offer }) => isOfSameKind(offer, this.#request));
    const asked = same.length > 0 ? same : suitable; // who then refuses tells why
    return asked.map((each) => {
      const experience = known.of(this.#network, each.node);
      const shunned = isShunned(experience, ports.clock.wallMs());
      return { ...each, trusted: experience.trustedAtMs !== null, shunned };
    });
  }

  async #found(): Promise<readonly FoundProvider[]> {
    const { market, signal } = this.#parts;
    const { bootstrap, provider, peer } = this.#request;
    const trusted = this.#trusted ??= await this.#trust();
    if (bootstrap !== null) await market.bootstrap(this.#network, bootstrap);
    if (provider !== null) {
      this.#named ??= splitPeerKey(await market.meet(this.#network, provider, signal)).node;
      return [named(this.#named)];
    }
    if (peer !== null) return [named(await market.resolve(this.#network, peer))];
    if (trusted === null) return await market.providers(this.#network, signal);
    // Whom the network does not tell of is asked all the same, so that the true reason is told.
    const all = await market.providers(this.#network, signal).catch(() => []);
    return trusted.map((node) => all.find((each) => each.node === node) ?? named(node));
  }

  async #trust(): Promise<readonly NodeId[] | null> {
    const { trust } = this.#request;
    if (trust.length === 0) return null;
    const { market, known, signal } = this.#parts;
    const resolved = Promise.all(trust.map((name) => market.resolve(this.#network, name)));
    const nodes = [...new Set(await orAborted(resolved, signal))];
    known.trust(this.#network, nodes);
    return nodes;
  }
}

/** A provider that was named by the person: nothing is known of its offer. */
function named(node: NodeId): FoundProvider {
  return { node, offer: UNKNOWN_OFFER, rttMs: null };
}

function nobodySuits(known: number): OmertaError {
  return new OmertaError(
    "no-provider",
    known === 1
      ? "The only provider does not confine a VM as well as was asked for"
      : `None of ${known} providers confines a VM as well as was asked for`,
    { hint: "Ask for less with --isolation or --min-confinement, or leave them out." },
  );
}
