/**
 * What this node has seen of providers, and whom its person trusts, kept in the state.
 *
 * @module
 */
import type {
  ConsumerTrustInput,
  ConsumerTrustResult,
  KnownProviderDoc,
} from "../../api/nouns/consumer.ts";
import { type NetworkId, type NodeId, OmertaError } from "../../base/mod.ts";
import type { ProviderRow } from "../../host/store/mod.ts";
import { afterFailure, afterService, type Experience, NO_EXPERIENCE } from "../../market/mod.ts";
import { attempt } from "../../host/attempt.ts";
import type { Context } from "../context.ts";
import { timestampOrNull } from "../../host/time.ts";
import { orAborted } from "../../host/waiting.ts";

/** Providers that are remembered; the one that was seen longest ago gives way. Guess. */
const REMEMBERED_MAX = 1_024;
/** Providers that can be trusted in all: they never give way. Guess. */
const TRUSTED_MAX = 256;

/** The renter's memory of providers. */
export class KnownProviders {
  readonly #context: Pick<Context, "store" | "wallMs" | "log">;

  constructor(context: Pick<Context, "store" | "wallMs" | "log">) {
    this.#context = context;
  }

  /** What is known of a provider. */
  of(network: NetworkId, node: NodeId): Experience {
    return this.#context.store.providers.get({ network, node }) ?? NO_EXPERIENCE;
  }

  /** All of whom anything is known, trusted ones first. */
  list(network: NetworkId | null): ProviderRow[] {
    const where = network === null ? {} : { network };
    return this.#context.store.providers.list(where).toSorted((a, b) =>
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
    const trustedAtMs = this.#context.wallMs();
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
    attempt(this.#context.log, "remember a provider's failure", () => {
      this.#put(network, node, afterFailure(this.of(network, node), this.#context.wallMs()));
    });
  }

  /** A VM of the provider was ready. */
  served(network: NetworkId, node: NodeId): void {
    attempt(this.#context.log, "remember a provider", () => {
      this.#put(network, node, afterService(this.of(network, node), this.#context.wallMs()));
    });
  }

  #put(network: NetworkId, node: NodeId, change: Partial<Experience>): void {
    const { providers } = this.#context.store;
    providers.put({ ...this.of(network, node), ...change, network, node });
    if (providers.count() <= REMEMBERED_MAX) return;
    const [oldest] = this.list(null).filter((row) => row.trustedAtMs === null).slice(-1);
    if (oldest !== undefined) providers.delete({ network: oldest.network, node: oldest.node });
  }
}

function seenAtMs({ trustedAtMs, servedAtMs, failedAtMs }: Experience): number {
  return Math.max(trustedAtMs ?? 0, servedAtMs ?? 0, failedAtMs ?? 0);
}

/** Who names providers, and what they are called. */
interface Names {
  network(name: string | null): NetworkId;
  resolve(network: NetworkId, name: string): Promise<NodeId>;
  aliasOf(network: NetworkId, node: NodeId): string | null;
  networkName(network: NetworkId): string;
}

/** Trusts some from now on, and others no longer; tells of all that are known. */
export async function changeTrust(
  { known, market }: { readonly known: KnownProviders; readonly market: Names },
  { network: name, add, remove }: ConsumerTrustInput,
  signal: AbortSignal,
): Promise<ConsumerTrustResult> {
  const isMeant = name !== null || add.length + remove.length > 0;
  const network = isMeant ? market.network(name) : null;
  if (network !== null) {
    const resolve = (names: readonly string[]) =>
      orAborted(Promise.all(names.map((each) => market.resolve(network, each))), signal);
    known.trust(network, await resolve(add));
    known.distrust(network, await resolve(remove));
  }
  return { providers: known.list(network).map((row) => document(row, market)) };
}

/** A provider as people and scripts see it. */
function document(
  { network, node, trustedAtMs, servedAtMs, failures, failedAtMs }: ProviderRow,
  names: Names,
): KnownProviderDoc {
  return {
    id: node,
    alias: names.aliasOf(network, node),
    network: { id: network, name: names.networkName(network) },
    trusted: trustedAtMs !== null,
    trusted_at: timestampOrNull(trustedAtMs),
    served_at: timestampOrNull(servedAtMs),
    failed_at: timestampOrNull(failedAtMs),
    failures,
  };
}
