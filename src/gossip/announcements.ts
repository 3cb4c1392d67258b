/**
 * Waits until the relays that can be reached know our records, so that others find us.
 *
 * ```text
 *   begin ─▶ relays of each network tried ──there, or in vain──▶ told ──all answered──▶ announced
 *                └──its time is over───────────────────────────────┴───────────────────▶ announced
 * ```
 *
 * @module
 */
import {
  after,
  type Instant,
  type NetworkId,
  type PeerKey,
  Timers,
  type Wakeup,
} from "../base/mod.ts";
import { GOSSIP } from "./limits.ts";
import { RelayWait, type ToldRelays } from "./relay_wait.ts";

interface Announcement {
  /** Networks whose relays are awaited. */
  readonly waits: Map<NetworkId, RelayWait>;
  /** Relays that were told, and have perhaps not answered. */
  readonly told: Set<PeerKey>;
}

/** What stands behind them. */
export interface Announcer {
  relays(network: NetworkId): ToldRelays | undefined;
  /** Tells the connected relays of a network now. */
  tell(network: NetworkId): void;
  /** Whether a relay's answer is awaited. */
  isAsking(relay: PeerKey): boolean;
}

interface Turn {
  readonly now: Instant;
  readonly out: {
    push(
      output:
        | { type: "announced"; token: number }
        | { type: "relay-wanted"; network: NetworkId },
    ): unknown;
  };
}

/** The waits under way. */
export class Announcements {
  readonly #all = new Map<number, Announcement>();
  readonly #ends = new Timers<number>();

  wakeup(): Wakeup | undefined {
    return this.#ends.next();
  }

  /** Begins one over the networks that there are; where too many are under way, it ends at once. */
  begin(
    { token, timeoutMs }: { readonly token: number; readonly timeoutMs: number },
    networks: readonly (readonly [NetworkId, ToldRelays])[],
    { now, out }: Turn,
  ): void {
    if (this.#all.size >= GOSSIP.announcesMax) return void out.push({ type: "announced", token });
    const waits = networks.map(([id, relays]) => [id, new RelayWait(relays)] as const);
    for (const [network, { home }] of networks) {
      if (home.length === 0) out.push({ type: "relay-wanted", network });
    }
    this.#all.set(token, { waits: new Map(waits), told: new Set() });
    this.#ends.set(token, after(now, timeoutMs), "wait no longer for relays to know our record");
  }

  /** Goes on with all, and ends those that are done or late. */
  advance(announcer: Announcer, { now, out }: Turn): void {
    for (const [token, announcement] of this.#all) {
      if (isDone(announcement, announcer)) this.#end(token, out);
    }
    let late = this.#ends.takeDue(now);
    for (; late !== undefined; late = this.#ends.takeDue(now)) this.#end(late, out);
  }

  #end(token: number, out: Turn["out"]): void {
    this.#all.delete(token);
    this.#ends.clear(token);
    out.push({ type: "announced", token });
  }
}

function isDone({ waits, told }: Announcement, announcer: Announcer): boolean {
  for (const [network, wait] of waits) {
    const relays = announcer.relays(network);
    if (relays !== undefined && !wait.isOver(relays)) continue;
    waits.delete(network);
    announcer.tell(network);
    for (const relay of relays?.home ?? []) told.add(relay.peer);
  }
  return waits.size === 0 && ![...told].some((relay) => announcer.isAsking(relay));
}
