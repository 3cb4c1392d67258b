/**
 * The gate for addresses that somebody else named: candidates, and paths at which a session is to be
 * opened. What may be tried, how hard, and for whom is judged in one place, with one budget for pings
 * and handshakes together.
 *
 * @module
 */
import type { Instant, Path } from "../base/mod.ts";
import {
  admissibleTargets,
  mayOpen,
  type Namer,
  openingAllowance,
  ProbeBudget,
  type Target,
} from "../path/mod.ts";
import {
  addressScope,
  formatAddress,
  hopAddress,
  isRelayed,
  parseAddress,
  prefixOf,
} from "../wire/mod.ts";
import type { LocalAddresses } from "./types.ts";

/** A message that opens a session. */
export interface Opening {
  readonly path: Path;
  readonly named: Namer;
  /** On whose behalf: the peer that is to be met. */
  readonly by: string;
  readonly bytes: number;
  readonly message: "hello" | "finish";
}

/** Addresses that a peer and a relay named for the peer. */
export interface Named {
  /** Where a relay sees the peer. */
  readonly vouched: string | null;
  readonly addresses: readonly string[];
}

/** The gate of a node. */
export class Gate {
  readonly budget: ProbeBudget = new ProbeBudget();
  local: LocalAddresses = { addresses: [], prefixes: [] };
  /** Whether peers may learn our own address. */
  readonly #direct: boolean;

  constructor(direct: boolean) {
    this.#direct = direct;
  }

  /** Whether a session may be opened at a path at all; `hasLoopback`: peers are seen on loopback. */
  admits(path: Path, named: Namer, hasLoopback: () => boolean): boolean {
    if (isRelayed(path)) return true; // its address is that of a relay with which we have a session
    const ip = hopAddress(path)?.ip;
    if (ip === undefined) return false;
    const scope = addressScope(ip);
    const attached = this.#isAttached(ip);
    const loopback = scope === "loopback" && hasLoopback();
    return mayOpen(named, { scope, attached, loopback, direct: this.#direct });
  }

  /** Whether a message may go out now; if so, it is counted. */
  take({ path, named, by, bytes, message }: Opening, now: Instant): boolean {
    const shot = { path, by, bytes, allowance: openingAllowance(named, message) };
    if (!this.budget.allows(shot, now)) return false;
    this.budget.spend(shot, now);
    return true;
  }

  /** The candidates of a peer that are tried; none where paths are to stay relayed. */
  targets({ vouched, addresses }: Named, loopback: boolean): Target[] {
    if (!this.#direct) return [];
    const seen = canonical(vouched ?? "");
    const named = [seen, ...addresses.map(canonical)].filter((address) => address !== null);
    const candidates = [...new Set(named)].flatMap((address) => {
      const parsed = parseAddress(address);
      if (!parsed.ok || this.local.addresses.includes(address)) return [];
      const { ip } = parsed.value;
      const attached = this.#isAttached(ip);
      return [{ address, scope: addressScope(ip), vouched: address === seen, attached }];
    });
    return admissibleTargets(candidates, { loopback });
  }

  #isAttached(ip: string): boolean {
    return this.local.prefixes.includes(prefixOf(ip));
  }
}

/** The one spelling of an address, so that a peer cannot name one address as many. */
function canonical(address: string): string | null {
  const parsed = parseAddress(address);
  return parsed.ok ? formatAddress(parsed.value) : null;
}
