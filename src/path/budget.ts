/**
 * What is sent to addresses that have not answered, counted per address whoever named it. So no number
 * of peers, attempts or forged sources makes us send a victim more than a handful of small datagrams. A
 * victim has 65 535 ports, and there are many victims: each host, and all together, have a rate, too;
 * and each peer, so that one that names addresses without end does not take what the others need.
 *
 * Pings and the first messages of handshakes alike are paid for here; who may name which address at all is
 * judged before (`candidate.ts`). Nothing is forgotten while it
 * counts: where there is no room to remember an address, nothing is sent there.
 *
 * Source: the design, "nobody can be aimed at a victim".
 *
 * @module
 */
import {
  after,
  BoundedMap,
  Bucket,
  Buckets,
  type Instant,
  type Path,
  type Rate,
} from "../base/mod.ts";
import { hopAddress, hopOf, prefixOf } from "../wire/mod.ts";
import type { GateReason, Namer } from "./candidate.ts";
import {
  FINISH_BYTES_MAX,
  FINISH_DATAGRAMS_MAX,
  UNVOUCHED_BYTES_MAX,
  UNVOUCHED_PROBES_MAX,
} from "./constants.ts";

/** An address that did not answer is left alone for so long once its share is spent. Guess. */
export const PROBE_WINDOW_MS = 15_000;
/** An address that answered anybody is no victim for so long. Guess: four times the slowest ping. */
export const ANSWERED_MS = 60_000;
/** Addresses tried within a window: more than `ALL_RATE` lets be. Guess: 8192 cost under 2 MiB. */
export const ADDRESSES_MAX = 8_192;
/** Addresses that answered; the oldest gives way, and is counted again. */
export const ANSWERED_MAX = 32_768;
/** Hosts whose bucket is not full: more than `ALL_RATE` reaches while one fills. */
export const HOSTS_MAX = 20_480;
/** Peers whose bucket is not full. */
export const NAMERS_MAX = 16_384;

/** To one host. Guess: a house with a dozen peers behind one address is punched at once. */
export const HOST_RATE: Rate = { perS: 1, burst: 64 };
/** On behalf of one peer. Guess: two whole attempts at 16 addresses at once, and one in ten seconds. */
export const PEER_RATE: Rate = { perS: 12, burst: 256 };
/** To all. Guess: a node with many peers punches twenty at once; 32 KB/s. */
export const ALL_RATE: Rate = { perS: 256, burst: 1_024 };
/** Bytes of a datagram that count as one; a handshake's is a dozen. Guess: a ping in its session. */
const UNIT_BYTES = 108;

/** What an address may get within the window; `null`, for one of our own choice: anything. */
export type Allowance = { readonly datagrams: number; readonly bytes: number } | null;

/** A datagram to where perhaps nobody is. */
export interface Shot {
  readonly path: Path;
  /** On whose behalf: a peer, as a rule. */
  readonly by: string;
  readonly bytes: number;
  readonly allowance: Allowance;
}

interface Spent {
  readonly datagrams: number;
  readonly bytes: number;
  readonly isOpened: boolean;
  /** When the first of them was sent. */
  readonly since: Instant;
}

/** What addresses that have not answered may still get. */
export class ProbeBudget {
  readonly #spent = new BoundedMap<string, Spent>(ADDRESSES_MAX, "refuse");
  readonly #answeredAt = new BoundedMap<string, Instant>(ANSWERED_MAX, "evict-oldest");
  readonly #hosts = new Buckets<string>(HOST_RATE, HOSTS_MAX);
  readonly #peers = new Buckets<string>(PEER_RATE, NAMERS_MAX);
  readonly #all = new Bucket(ALL_RATE, 0 as Instant);

  /** Why a datagram may not be sent now; `null`: it may. */
  refusal(shot: Shot, now: Instant): GateReason | null {
    const { allowance, bytes } = shot;
    const address = hopOf(shot.path);
    if (allowance === null || this.#hasAnswered(address, now)) return null;
    const spent = this.#current(address, now);
    if (spent === undefined) return "no-room";
    const isSpent = spent.datagrams >= allowance.datagrams ||
      spent.bytes + bytes > allowance.bytes;
    return isSpent ? "address-spent" : this.#lack(shot, now);
  }

  /** Notes a datagram that is sent. */
  spend(shot: Shot, now: Instant): void {
    const address = hopOf(shot.path);
    if (this.#hasAnswered(address, now)) return;
    const current = this.#current(address, now) ?? unspent(now);
    const datagrams = current.datagrams + 1;
    this.#spent.set(address, { ...current, datagrams, bytes: current.bytes + shot.bytes });
    this.#pay(shot, now);
  }

  /** Takes an opener: once in a window, for the NAT's mapping lives longer. Else says why not. */
  open(shot: Shot, now: Instant): GateReason | null {
    const address = hopOf(shot.path);
    const current = this.#current(address, now);
    if (current === undefined) return "no-room";
    const reason = current.isOpened ? "opened-already" : this.#lack(shot, now);
    if (reason !== null) return reason;
    this.#spent.set(address, { ...current, isOpened: true });
    this.#pay(shot, now);
    return null;
  }

  /** Notes that somebody answers there. */
  answered(path: Path, now: Instant): void {
    const address = hopOf(path);
    this.#spent.delete(address);
    this.#answeredAt.set(address, now);
  }

  /** What there is too little of. */
  #lack(shot: Shot, now: Instant): GateReason | null {
    const units = unitsOf(shot);
    if (!this.#hosts.has(shareOf(shot), units, now)) return "host-spent";
    if (isOwnAct(shot)) return null;
    if (!this.#peers.has(shot.by, units, now)) return "peer-spent";
    return this.#all.has(units, now) ? null : "all-spent";
  }

  #pay(shot: Shot, now: Instant): void {
    const units = unitsOf(shot);
    this.#hosts.take(shareOf(shot), units, now);
    if (isOwnAct(shot)) return;
    this.#peers.take(shot.by, units, now);
    this.#all.take(units, now);
  }

  #hasAnswered(address: string, now: Instant): boolean {
    const at = this.#answeredAt.get(address);
    return at !== undefined && now < after(at, ANSWERED_MS);
  }

  /** What the address got within the window; `undefined` where there is no room to remember it. */
  #current(address: string, now: Instant): Spent | undefined {
    const spent = this.#spent.get(address);
    if (spent !== undefined && now < after(spent.since, PROBE_WINDOW_MS)) return spent;
    if (spent !== undefined || this.#hasRoom(now)) return unspent(now);
    return undefined;
  }

  /** Forgets what is over, where that is needed: the entries are in the order of their last use. */
  #hasRoom(now: Instant): boolean {
    if (this.#spent.size < ADDRESSES_MAX) return true;
    for (const [address, { since }] of this.#spent) {
      return now >= after(since, PROBE_WINDOW_MS) && this.#spent.delete(address);
    }
    return false;
  }
}

function unspent(now: Instant): Spent {
  return { datagrams: 0, bytes: 0, isOpened: false, since: now };
}

/** Where a person chose the address, or nothing is asked, a datagram is a datagram. */
function unitsOf({ bytes, allowance }: Shot): number {
  const isCounted = allowance !== null && allowance.bytes !== Infinity;
  return isCounted ? Math.ceil(bytes / UNIT_BYTES) : 1;
}

/** What our own person named takes nothing from what peers share, and they nothing from it. */
function isOwnAct({ allowance }: Shot): boolean {
  return allowance?.datagrams === Infinity;
}

/** Whose bucket of a host: a peer that names it without end does not keep us from our own relay there. */
function shareOf(shot: Shot): string {
  return isOwnAct(shot) ? `own ${hostOf(shot.path)}` : hostOf(shot.path);
}

/** An IPv4 address, or the /64 of an IPv6 one, which one victim has. */
function hostOf(path: Path): string {
  const ip = hopAddress(path)?.ip;
  if (ip === undefined) return "?";
  return ip.includes(":") ? prefixOf(ip) : ip;
}

/** What an address may get within a window until it answers, by the message that is to be sent. */
export function openingAllowance(named: Namer, message: "hello" | "finish"): Allowance {
  if (named === "person") return { datagrams: Infinity, bytes: Infinity };
  return message === "hello"
    ? { datagrams: UNVOUCHED_PROBES_MAX, bytes: UNVOUCHED_BYTES_MAX }
    : { datagrams: FINISH_DATAGRAMS_MAX, bytes: FINISH_BYTES_MAX };
}
