/**
 * What this node has seen of providers, and whom its person trusts, kept in the state.
 *
 * @module
 */
import { type NetworkId, type NodeId, OmertaError } from "../../base/mod.ts";
import type { ProviderRow } from "../../host/store/mod.ts";
import { afterFailure, afterService, type Experience, NO_EXPERIENCE } from "../../market/mod.ts";
import { attempt } from "../../host/attempt.ts";
import { orAborted } from "../../host/waiting.ts";
import type { Market, RentingPorts } from "./ports.ts";

/** Providers that are remembered; the one that was seen longest ago gives way. Guess. */
const REMEMBERED_MAX = 1_024;
/** Providers that can be trusted in all: they never give way. Guess. */
const TRUSTED_MAX = 256;

/** The renter's memory of providers. */
export class KnownProviders {
  readonly #ports: Pick<RentingPorts, "rows" | "clock" | "log">;

  constructor(ports: Pick<RentingPorts, "rows" | "clock" | "log">) {
    this.#ports = ports;
  }

  /** What is known of a provider. */
  of(network: NetworkId, node: NodeId): Experience {
    return this.#ports.rows.providers.get({ network, node }) ?? NO_EXPERIENCE;
  }

  /** All of whom anything is known, trusted ones first. */
  list(network: NetworkId | null): ProviderRow[] {
    const where = network === null ? {} : { network };
    return this.#ports.rows.providers.list(where).toSorted((a, b) =>
      Number(a.trustedAtMs === null) - Number(b.trustedAtMs === null) || seenAtMs(b) - seenAtMs(a)
    );
  }

  /** Whether there is anybody in the network whom its person trusts. */
  trusted(network: NetworkId): NodeId[] {
    return this.list(network).filter((row) => row.trustedAtMs !== null).map(({ node }) => node);
  }

  /**
   * Trusts providers from now on.
   *
   * @throws {OmertaError} `refused` where there are too many.
   */
  trust(network: NetworkId, nodes: readonly NodeId[]): void {
    const fresh = nodes.filter((node) => this.of(network, node).trustedAtMs === null);
    if (this.trusted(network).length + fresh.length > TRUSTED_MAX) {
      throw new OmertaError("refused", `No more than ${TRUSTED_MAX} providers can be trusted`, {
        hint: "Take some back: omerta consumer trust remove ID…",
      });
    }
    const trustedAtMs = this.#ports.clock.wallMs();
    for (const node of fresh) this.#put(network, node, { trustedAtMs });
  }

  /** Trusts them no longer; what was seen of them stays. */
  distrust(network: NetworkId, nodes: readonly NodeId[]): void {
    for (const node of nodes) {
      if (this.of(network, node).trustedAtMs !== null) {
        this.#put(network, node, { trustedAtMs: null });
      }
    }
  }

  /** A provider did not give what it had promised. A memory that cannot be kept fails nothing. */
  failed(network: NetworkId, node: NodeId): void {
    attempt(this.#ports.log, "remember a provider's failure", () => {
      this.#put(network, node, afterFailure(this.of(network, node), this.#ports.clock.wallMs()));
    });
  }

  /** A VM of the provider was ready. */
  served(network: NetworkId, node: NodeId): void {
    attempt(this.#ports.log, "remember a provider", () => {
      this.#put(network, node, afterService(this.of(network, node), this.#ports.clock.wallMs()));
    });
  }

  #put(network: NetworkId, node: NodeId, change: Partial<Experience>): void {
    const { providers } = this.#ports.rows;
    providers.put({ ...this.of(network, node), ...change, network, node });
    if (providers.count() <= REMEMBERED_MAX) return;
    const [oldest] = this.list(null).filter((row) => row.trustedAtMs === null).slice(-1);
    if (oldest !== undefined) providers.delete({ network: oldest.network, node: oldest.node });
  }
}

function seenAtMs({ trustedAtMs, servedAtMs, failedAtMs }: Experience): number {
  return Math.max(trustedAtMs ?? 0, servedAtMs ?? 0, failedAtMs ?? 0);
}

/** Whom to trust from now on, and whom no longer; names of peers. */
export interface TrustChange {
  readonly network: string | null;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

/** Trusts some from now on, and others no longer; tells of all that are known. */
export async function changeTrust(
  { known, market }: {
    readonly known: KnownProviders;
    readonly market: Pick<Market, "network" | "resolve">;
  },
  { network: name, add, remove }: TrustChange,
  signal: AbortSignal,
): Promise<readonly ProviderRow[]> {
  const isMeant = name !== null || add.length + remove.length > 0;
  const network = isMeant ? market.network(name) : null;
  if (network !== null) {
    const resolve = (names: readonly string[]) =>
      orAborted(Promise.all(names.map((each) => market.resolve(network, each))), signal);
    known.trust(network, await resolve(add));
    known.distrust(network, await resolve(remove));
  }
  return known.list(network);
}
