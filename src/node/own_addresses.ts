/**
 * Our own addresses: those of our interfaces, those that our owner says, and those at which peers see us.
 *
 * @module
 */
import { type Instant, type Path, type PeerKey, splitPeerKey } from "../base/mod.ts";
import { type LocalAddresses, type NatJudgement, Observations } from "../path/mod.ts";
import { addressScope, parseAddress, pathSource } from "../wire/mod.ts";

/** Addresses of ourselves that a peer is told. Source: the protocol's limit. */
const CANDIDATES_MAX = 16;
/** Of those, addresses that peers say they see: many that lie do not crowd out our own. Guess. */
const OBSERVED_TOLD_MAX = 6;

/** What we know of where we are. */
export class OwnAddresses {
  readonly #observations = new Observations();
  #local: LocalAddresses = { addresses: [], prefixes: [] };
  #advertised: readonly string[] = [];

  /** Sets what the host knows; returns whether our interfaces changed: then nobody's sight counts. */
  set(local: LocalAddresses, advertised: readonly string[]): boolean {
    const isSame = JSON.stringify(this.#local) === JSON.stringify(local);
    this.#local = local;
    this.#advertised = advertised;
    if (!isSame) this.#observations.clear();
    return !isSame;
  }

  /** A peer at the end of `path` says that it sees us at `address`; whether that is news. */
  note(
    peer: PeerKey,
    { path, address }: { readonly path: Path; readonly address: string },
    now: Instant,
  ): boolean {
    const seen = parseAddress(address);
    if (!seen.ok || addressScope(seen.value.ip) === "unusable") return false;
    const { prefix } = pathSource(path);
    return this.#observations.note(splitPeerKey(peer).node, { prefix, address, at: now });
  }

  /** The addresses at which peers see us. */
  observed(now: Instant): string[] {
    return this.#observations.addresses(now);
  }

  /** The judgement of our NAT for one family. */
  judgeNat(family: "ipv4" | "ipv6", now: Instant): NatJudgement {
    return this.#observations.judge(family, this.#local.addresses, now);
  }

  /** What a peer is told that is to reach us directly. */
  candidates(now: Instant): string[] {
    const usable = this.#local.addresses.filter((address) => {
      const parsed = parseAddress(address);
      return parsed.ok && addressScope(parsed.value.ip) !== "link-local";
    });
    const observed = this.#observations.addresses(now).slice(0, OBSERVED_TOLD_MAX);
    const all = [...this.#advertised, ...observed, ...usable];
    return [...new Set(all)].slice(0, CANDIDATES_MAX);
  }
}
