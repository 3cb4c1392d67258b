/**
 * One session: a pair of keys with a peer whose identity is known. A peer may have up to four at a
 * time; which of them is used, `slots.ts` decides.
 *
 * ```text
 *           our handshake: message 2 was good ──▶ ours ──┐ first authenticated
 *   other's handshake: message 3 was good ──▶ theirs ──┤ datagram on it
 *                                                        ▼
 *                              previous ◀── newer ── current ── 180 s, farewell ──▶ gone
 *                                  └── 10 s without a datagram ──▶ gone
 * ```
 *
 * @module
 */
import {
  concatBytes,
  fail,
  type Instant,
  type NetworkId,
  type NodeId,
  ok,
  type Path,
  type PeerKey,
  type Result,
  type SessionKind,
} from "../base/mod.ts";
import { type NoiseKeys, open, seal } from "../crypto/mod.ts";
import { encodeDatagramHeader, splitDatagram } from "./layout.ts";
import { ReplayWindow } from "./replay_window.ts";
import type { AcceptedKey } from "./types.ts";

/** Where a link stands in its slot. */
export type LinkRole = "ours" | "theirs" | "current" | "previous";

/** A third message that was not confirmed yet. */
export interface Finishing {
  readonly frame: Uint8Array;
  readonly begunAt: Instant;
  sendings: number;
  /** Whether nobody asked for the handshake: its failure is no news. */
  isRenewal: boolean;
}

/** What a link starts with. */
export interface LinkOptions<Member> {
  /** Our id of the session, and the peer's. */
  readonly id: number;
  readonly remoteId: number;
  /** Whether the handshake was ours. */
  readonly initiator: boolean;
  readonly keys: NoiseKeys;
  readonly slot: Slot<Member>;
  /** The gate and what we showed, to renew with. */
  readonly key: AcceptedKey;
  /** What the peer showed, and what `verifyPeer` made of it. */
  readonly payload: Uint8Array;
  readonly member: Member;
  readonly path: Path;
  /** The path at which the peer must be, for it answered what was sent only there. */
  readonly provenPath: Path | undefined;
  /** Our id of the session that the initiator wants this one to replace, if it had one. */
  readonly replaced: number | undefined;
  /** When the handshake began, as we saw it. */
  readonly begunAt: Instant;
  readonly createdAt: Instant;
}

/** The sessions of one kind with one peer. */
export interface Slot<Member> {
  readonly network: NetworkId;
  readonly node: NodeId;
  readonly kind: SessionKind;
  readonly peer: PeerKey;
  current: Link<Member> | undefined;
  previous: Link<Member> | undefined;
  /** Not yet confirmed, from a handshake of ours and of theirs. */
  ours: Link<Member> | undefined;
  theirs: Link<Member> | undefined;
}

/** One session. */
export class Link<Member> {
  readonly type = "link";
  readonly is: LinkOptions<Member>;
  role: LinkRole;
  /** When the first authenticated datagram came. */
  confirmedAt: Instant | undefined;
  /** The path of the newest datagram received: its source may be forged. */
  heardPath: Path;
  /** The path on which we send, probes left out. */
  sentPath: Path;
  heardAt: Instant;
  sent = 0;
  received = 0;
  /** Whether a payload went either way: an idle session is not renewed. */
  isUsed = false;
  /** The third message, while it is repeated (ours). */
  finishing: Finishing | undefined;
  /** SHA-256 of the third message, to know its repetitions (theirs). */
  finishDigest: Uint8Array | undefined;
  readonly #window = new ReplayWindow();
  #counter = 0;
  #newest = -1;

  constructor(options: LinkOptions<Member>) {
    this.is = options;
    this.role = options.initiator ? "ours" : "theirs";
    this.heardPath = options.path;
    this.sentPath = options.provenPath ?? options.path;
    this.heardAt = options.createdAt;
  }

  /** The frame that carries a payload; uses up a counter. */
  seal(payload: Uint8Array): Uint8Array {
    const counter = this.#counter++;
    const header = encodeDatagramHeader(this.is.remoteId, counter);
    if (payload.length > 0) this.isUsed = true;
    this.sent++;
    return concatBytes(header, seal(this.is.keys.send, { counter, aad: header }, payload));
  }

  /**
   * Opens a datagram: fresh, authentic, and noted as seen. The path is kept where the datagram is the
   * newest, so that a delayed one does not turn a peer back to an old path.
   */
  open(
    frame: Uint8Array,
    path: Path,
    now: Instant,
  ): Result<Uint8Array, "bad-length" | "replayed" | "bad-tag"> {
    const parts = splitDatagram(frame);
    if (!parts.ok) return parts;
    const { counter, header, sealed } = parts.value;
    if (!this.#window.isFresh(counter)) return fail("replayed");
    const opened = open(this.is.keys.receive, { counter, aad: header }, sealed);
    if (!opened.ok) return opened;
    this.#window.mark(counter);
    this.#note(counter, path, now);
    if (opened.value.length > 0) this.isUsed = true;
    return ok(opened.value);
  }

  /** Overwrites the keys; the link must not be used any more. */
  wipe(): void {
    this.is.keys.send.fill(0);
    this.is.keys.receive.fill(0);
  }

  #note(counter: number, path: Path, now: Instant): void {
    this.received++;
    this.heardAt = now;
    if (counter < this.#newest) return;
    this.#newest = counter;
    this.heardPath = path;
  }
}
