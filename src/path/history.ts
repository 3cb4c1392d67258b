/**
 * What was tried to reach each peer, and how that ended: a ring for each, which outlives its session, so
 * that whoever asks why a peer is met through a relay, or not at all, is told what happened.
 *
 * @module
 */
import { BoundedMap, type Instant, type Path, type PeerKey } from "../base/mod.ts";
import type { GateReason, Source, Voucher } from "./candidate.ts";

/** Entries of one peer; the oldest gives way. Guess: the candidates of one attempt, and their ends. */
export const ENTRIES_MAX = 32;
/** Peers with a history; the one of whom nothing was noted for longest gives way. Guess: 3 MiB. */
export const HISTORIES_MAX = 1_024;

/** One thing that happened on the way to a peer. */
export type PathEvent =
  /** A candidate that is not tried. `address` is as it was named. */
  | {
    readonly type: "refused";
    readonly address: string;
    readonly source: Source;
    readonly reason: GateReason;
  }
  /** Probes to it began. */
  | {
    readonly type: "tried";
    readonly path: Path;
    readonly source: Source;
    readonly vouchedBy: Voucher | null;
  }
  /** The budget let no more probes go there. */
  | { readonly type: "silenced"; readonly path: Path; readonly reason: GateReason }
  /** The peer answered there; `rttMs` is `null` where a handshake proved it. */
  | { readonly type: "proven"; readonly path: Path; readonly rttMs: number | null }
  /** Nobody answered a try; nobody answers any more. */
  | { readonly type: "ended"; readonly path: Path; readonly reason: "unanswered" | "dead" }
  /** Traffic takes another path; `null`: none. */
  | { readonly type: "moved"; readonly from: Path | null; readonly to: Path | null };

/** An event as it is shown. */
export type PathEventView = PathEvent & { readonly agoMs: number };

interface Entry {
  readonly at: Instant;
  readonly event: PathEvent;
}

/** The histories of all peers. */
export class Histories {
  readonly #peers = new BoundedMap<PeerKey, Entry[]>(HISTORIES_MAX, "evict-oldest");

  note(peer: PeerKey, event: PathEvent, at: Instant): void {
    const entries = this.#peers.get(peer) ?? [];
    entries.push({ at, event });
    if (entries.length > ENTRIES_MAX) entries.shift();
    this.#peers.set(peer, entries);
  }

  /** What happened, oldest first. */
  of(peer: PeerKey, now: Instant): PathEventView[] {
    return (this.#peers.get(peer) ?? []).map(({ at, event }) => ({ ...event, agoMs: now - at }));
  }
}
