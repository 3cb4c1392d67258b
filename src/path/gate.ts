/**
 * The one gate for addresses that somebody else named: records, candidates, what relays see, invites.
 * Whatever goes to where nobody has proved to be passes here, pings and the messages that open a session
 * alike: by one rule (`candidate.ts`) and from one budget (`budget.ts`).
 *
 * ```text
 *   a peer's candidates ── candidates() ──▶ admitted | refused      before anything is sent
 *   a path to a stranger ── refuses() ────▶ null | reason
 *   each datagram ───────── take(), open() ─▶ null, and it is paid for | reason
 * ```
 *
 * @module
 */
import type { Instant, Path } from "../base/mod.ts";
import {
  addressScope,
  directPath,
  hopAddress,
  hopOf,
  isRelayed,
  parsePath,
  prefixOf,
} from "../wire/mod.ts";
import { openingAllowance, ProbeBudget, type Shot } from "./budget.ts";
import {
  type Candidate,
  type GateReason,
  judge,
  type Judged,
  type Namer,
  type Target,
} from "./candidate.ts";
import {
  CANDIDATES_MAX,
  PUNCH_SCHEDULE_MS,
  UNVOUCHED_PROBES_MAX,
  VOUCHED_ATTEMPTS_MAX,
} from "./constants.ts";

/** The addresses of our own interfaces. */
export interface LocalAddresses {
  /** `IP:PORT` with our UDP port. */
  readonly addresses: readonly string[];
  /** Prefixes of the interfaces, as `prefixOf` writes them. */
  readonly prefixes: readonly string[];
}

/** A message that opens a session. */
export interface Opening {
  readonly path: Path;
  readonly named: Namer;
  /** On whose behalf: the peer that is to be met. */
  readonly by: string;
  readonly bytes: number;
  readonly message: "hello" | "finish";
}

/** The gate of a node. */
export class Gate {
  /** Our own addresses, as the host knows them. */
  local: LocalAddresses = { addresses: [], prefixes: [] };
  readonly #direct: boolean;
  readonly #budget = new ProbeBudget();

  /** @param direct Whether peers may learn our own address. */
  constructor(direct = true) {
    this.#direct = direct;
  }

  /**
   * Why no session may be opened at a path, or `null`.
   *
   * @param loopback Whether peers are seen on loopback.
   */
  refuses(path: Path, source: Namer, loopback: boolean): GateReason | null {
    if (isRelayed(path)) return null; // its address is that of a relay with which we have a session
    if (hopAddress(path) === undefined) return "not-an-address";
    return this.#judge({ source, vouchedBy: null }, path, loopback);
  }

  /**
   * Judges the candidates of a peer, in their order; each address once, whatever its spelling, and the
   * first word counts. Those that may not be tried take no place from others.
   *
   * @param loopback Whether the peer, or the relay that leads to it, is seen on loopback.
   */
  candidates(named: readonly Candidate[], loopback: boolean): Judged[] {
    const seen = new Set<Path>();
    const judged: Judged[] = [];
    let admitted = 0;
    for (const candidate of named) {
      const parsed = parsePath(candidate.address);
      const path = parsed.ok ? straight(parsed.value) : undefined;
      if (path !== undefined && seen.has(path)) continue;
      if (path !== undefined) seen.add(path);
      const reason = path === undefined ? "not-an-address" : this.#judge(candidate, path, loopback);
      if (path === undefined || reason !== null || admitted >= CANDIDATES_MAX) {
        judged.push({ type: "refused", candidate, reason: reason ?? "too-many" });
        continue;
      }
      admitted++;
      judged.push({ type: "admitted", candidate, target: this.#target(candidate, path) });
    }
    return judged;
  }

  /** Lets a message go that opens a session, or says why not. */
  takeOpening({ path, named, by, bytes, message }: Opening, now: Instant): GateReason | null {
    return this.take({ path, by, bytes, allowance: openingAllowance(named, message) }, now);
  }

  /** Why a datagram may not go now; `null`: it may. */
  refusal(shot: Shot, now: Instant): GateReason | null {
    return this.#budget.refusal(shot, now);
  }

  /** Lets a datagram go, which is counted, or says why not. */
  take(shot: Shot, now: Instant): GateReason | null {
    const reason = this.#budget.refusal(shot, now);
    if (reason === null) this.#budget.spend(shot, now);
    return reason;
  }

  /** Lets an opener go, or says why not. */
  open(shot: Shot, now: Instant): GateReason | null {
    return this.#budget.open(shot, now);
  }

  /** Somebody answers there: it is no victim for a while. */
  answered(path: Path, now: Instant): void {
    this.#budget.answered(path, now);
  }

  #judge(
    { source, vouchedBy }: Pick<Candidate, "source" | "vouchedBy">,
    path: Path,
    loopback: boolean,
  ): GateReason | null {
    const ip = hopAddress(path)?.ip ?? "";
    const place = {
      source,
      scope: addressScope(ip),
      attached: this.#isAttached(ip),
      vouched: vouchedBy !== null,
      own: this.local.addresses.includes(hopOf(path)),
    };
    return judge(place, { loopback, direct: this.#direct });
  }

  #target({ vouchedBy }: Candidate, path: Path): Target {
    const isKnown = vouchedBy !== null || this.#isAttached(hopAddress(path)?.ip ?? "");
    const probesMax = isKnown ? PUNCH_SCHEDULE_MS.length : UNVOUCHED_PROBES_MAX;
    return { path, probesMax, windowProbesMax: probesMax * (isKnown ? VOUCHED_ATTEMPTS_MAX : 1) };
  }

  #isAttached(ip: string): boolean {
    return this.local.prefixes.includes(prefixOf(ip));
  }
}

/** A candidate is an address, never a way through a relay, a socket of ours, or a stream. */
function straight(path: Path): Path | undefined {
  const address = hopAddress(path);
  return address !== undefined && directPath(address) === path ? path : undefined;
}
