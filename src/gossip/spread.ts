/**
 * Who of the relays knows our record: each is told it once, and one that does not take it again, ever
 * more rarely.
 *
 * ```text
 *   unknown ──tell──▶ asking ──answered──▶ told ──a newer record──▶ asking
 *                       └──refused, silent──▶ waiting ──back-off, or a newer record──▶ asking
 * ```
 *
 * @module
 */
import {
  after,
  Backoff,
  type Instant,
  type PeerKey,
  type Random,
  Timers,
  type Wakeup,
} from "../base/mod.ts";
import { GOSSIP } from "./limits.ts";
import type { OwnRecord } from "./own_records.ts";

/** No record has that number. */
const NO_SEQ = 0;

type Telling =
  & { readonly seq: number; readonly backoff: Backoff }
  & ({ readonly state: "asking"; readonly token: number } | { readonly state: "told" | "waiting" });

/** Where our records are known. There are as many entries as relays. */
export class Spread {
  readonly #random: Random;
  readonly #tellings = new Map<PeerKey, Telling>();
  readonly #retries = new Timers<PeerKey>();

  constructor(random: Random) {
    this.#random = random;
  }

  wakeup(): Wakeup | undefined {
    return this.#retries.next();
  }

  /** Whether the relay is to be told that record now; if so, it counts as asked by `token`. */
  begin(relay: PeerKey, { seq }: OwnRecord, token: number): boolean {
    const known = this.#tellings.get(relay);
    if (known?.seq === seq) return false;
    const backoff = known?.backoff ?? new Backoff({ stepsMs: GOSSIP.tellAgainMs }, this.#random);
    this.#tellings.set(relay, { state: "asking", seq, backoff, token });
    this.#retries.clear(relay);
    return true;
  }

  /** How an ask ended. One that was overtaken by a newer record says nothing any more. */
  ended(relay: PeerKey, token: number, isTaken: boolean, now: Instant): void {
    const known = this.#tellings.get(relay);
    if (known?.state !== "asking" || known.token !== token) return;
    const { seq, backoff } = known;
    if (isTaken) {
      backoff.reset();
      this.#tellings.set(relay, { state: "told", seq, backoff });
      return;
    }
    this.#tellings.set(relay, { state: "waiting", seq, backoff });
    this.#retries.set(relay, after(now, backoff.next()), "tell a relay our record again");
  }

  /** Whether the relay's answer is awaited. */
  isAsking(relay: PeerKey): boolean {
    return this.#tellings.get(relay)?.state === "asking";
  }

  /** Takes a relay that is to be told again, or `undefined` where none is yet. */
  takeDue(now: Instant): PeerKey | undefined {
    const relay = this.#retries.takeDue(now);
    const known = relay === undefined ? undefined : this.#tellings.get(relay);
    if (relay !== undefined && known !== undefined) {
      this.#tellings.set(relay, { state: "waiting", seq: NO_SEQ, backoff: known.backoff });
    }
    return relay;
  }

  /** The relay may have begun anew, or is none any more. */
  forget(relay: PeerKey): void {
    this.#tellings.delete(relay);
    this.#retries.clear(relay);
  }
}
