/**
 * What the parts of the session machine share: who holds which session id, the deadlines, the slots,
 * the keys that we answer; and the ends of links.
 *
 * Every id in use names exactly one holder, so that a datagram finds it in O(1):
 *
 * ```text
 *   attempt   a handshake of ours: hello sent, reply awaited
 *   pending   a handshake of another: reply sent, finish awaited
 *   link      a session
 * ```
 *
 * @module
 */
import {
  after,
  BoundedMap,
  Buckets,
  Drops,
  type Instant,
  type NodeId,
  type Path,
  randomUint32,
  type Result,
  Timers,
  unreachable,
} from "../base/mod.ts";
import { nodeIdOf, type NoiseHandshake } from "../crypto/mod.ts";
import {
  ACCEPTED_KEYS_MAX,
  DEFAULT_LIMITS,
  HELLOS_REMEMBERED_MAX,
  PREVIOUS_MS,
  REFUSAL_LIMITS,
  REJECT_AFTER_MS,
  REKEY_AFTER_MS,
} from "./constants.ts";
import { type Introduction, readIntroduction, signStaticKey } from "./layout.ts";
import { HandshakeLimiter } from "./limiter.ts";
import type { Link, Slot } from "./link.ts";
import { linksOf, Slots, unplace } from "./slots.ts";
import type {
  AcceptedKey,
  CloseReason,
  DropReason,
  FailReason,
  RefusedKey,
  SessionKey,
  SessionLimits,
  SessionOptions,
  SessionOut,
} from "./types.ts";

/** A handshake of ours that awaits its reply. */
export interface Attempt {
  readonly type: "attempt";
  readonly id: number;
  readonly peer: NodeId | null;
  /** The gate, and what we show. */
  readonly key: AcceptedKey;
  paths: Path[];
  readonly noise: NoiseHandshake;
  readonly hello: Uint8Array;
  readonly begunAt: Instant;
  sendings: number;
  /** Replies that did not open: an upper bound of what forgeries cost. */
  badReplies: number;
  /** Whether nobody asked for it: its failure is no news. */
  isRenewal: boolean;
  /** Why the last path that answered was given up. */
  fault: Fault | undefined;
}

/** Why a handshake fails. */
export interface Fault {
  readonly reason: FailReason;
  readonly detail?: string;
}

/** A handshake of another that awaits its finish. */
export interface Pending {
  readonly type: "pending";
  readonly id: number;
  readonly remoteId: number;
  readonly key: AcceptedKey;
  readonly noise: NoiseHandshake;
  readonly reply: Uint8Array;
  /** The only path to which the reply was sent; `undefined` when it went to several. */
  repliedTo: Path | undefined;
  readonly begunAt: Instant;
  /** Times that the reply was sent. */
  replies: number;
  /** Finishes that did not open: an upper bound of what they cost. */
  badFinishes: number;
  /** Set when the peer was refused: what it is told, and to which finish. */
  refusal: { readonly frame: Uint8Array; readonly finishDigest: Uint8Array } | undefined;
}

/** Who holds a session id. */
export type Holder<Member> = Attempt | Pending | Link<Member>;

/** Ids of sessions and handshakes: only frames that name one that is held mean anything. */
export interface ReceiverChange {
  readonly add: readonly number[];
  readonly remove: readonly number[];
}

/** One call of `handle`: its time, and where outputs go. */
export interface Turn<Member> {
  readonly now: Instant;
  readonly out: SessionOut<Member>[];
}

/** A peer whose introduction was good. */
export interface Met<Member> {
  readonly node: NodeId;
  readonly introduction: Introduction;
  readonly member: Member;
}

/** The shared state. */
export class SessionCore<Member> {
  readonly options: SessionOptions<Member>;
  readonly limits: SessionLimits;
  readonly limiter: HandshakeLimiter;
  readonly refusalLimiter = new HandshakeLimiter(REFUSAL_LIMITS);
  /** What each peer may still send, by kind and peer; it outlives sessions. */
  readonly senders: Buckets<string>;
  readonly self: NodeId;
  readonly signature: Uint8Array;
  readonly timers = new Timers<number>();
  readonly drops = new Drops<DropReason>();
  readonly slots = new Slots<Member>();
  /** By `attemptName`. */
  readonly attempts = new Map<string, Attempt>();
  readonly pending = new Map<number, Pending>();
  /** First messages by their MAC: the id that they were given, which may be gone. */
  readonly hellos = new BoundedMap<string, number>(HELLOS_REMEMBERED_MAX, "evict-oldest");
  /** By selector in hex. */
  keys: ReadonlyMap<string, AcceptedKey> = new Map();
  /** The first of those of each kind and network. */
  firstKeys: ReadonlyMap<string, AcceptedKey> = new Map();
  /** The same, of gates that are closed. */
  refused: ReadonlyMap<string, RefusedKey> = new Map();
  established = 0;
  readonly #holders = new Map<number, Holder<Member>>();
  /** Ids that are held, or are no more, since somebody asked last. */
  readonly #changes = new Map<number, boolean>();

  constructor(options: SessionOptions<Member>) {
    this.options = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.limiter = new HandshakeLimiter(this.limits);
    const { datagramsPerS, datagramsBurst, peersMax, joinersMax } = this.limits;
    const rate = { perS: datagramsPerS, burst: datagramsBurst };
    this.senders = new Buckets(rate, peersMax + joinersMax);
    this.self = options.identity.id;
    this.signature = signStaticKey(options.identity, options.staticKey.publicKey);
  }

  setKeys(keys: readonly AcceptedKey[], refused: readonly RefusedKey[]): void {
    if (keys.length > ACCEPTED_KEYS_MAX || refused.length > ACCEPTED_KEYS_MAX) {
      throw new RangeError(
        `Cannot accept keys: there are ${keys.length}, ${refused.length} refused`,
      );
    }
    this.keys = new Map(keys.map((key) => [key.selector.toHex(), key]));
    this.firstKeys = new Map(keys.toReversed().map((key) => [gateName(key), key]));
    this.refused = new Map(refused.map((key) => [key.selector.toHex(), key]));
  }

  /** An id that nobody holds. */
  freshId(): number {
    for (;;) {
      const id = randomUint32(this.options.random);
      if (!this.#holders.has(id)) return id;
    }
  }

  holder(id: number): Holder<Member> | undefined {
    return this.#holders.get(id);
  }

  /** Gives an id to a holder, in place of the one that it had. */
  hold(id: number, holder: Holder<Member>): void {
    if (!this.#holders.has(id)) this.#noteChange(id, true);
    this.#holders.set(id, holder);
  }

  /** Frees an id and its deadline. */
  release(id: number): void {
    if (this.#holders.delete(id)) this.#noteChange(id, false);
    this.timers.clear(id);
  }

  /** The ids that came and went since the last call; `undefined` where none did. */
  takeReceivers(): ReceiverChange | undefined {
    if (this.#changes.size === 0) return undefined;
    const ids = [...this.#changes.keys()];
    const add = ids.filter((id) => this.#holders.has(id));
    const remove = ids.filter((id) => !this.#holders.has(id));
    this.#changes.clear();
    return { add, remove };
  }

  /** What came and went unseen is no change, so that nothing grows where nobody asks. */
  #noteChange(id: number, held: boolean): void {
    if (this.#changes.get(id) === !held) this.#changes.delete(id);
    else this.#changes.set(id, held);
  }

  /** Our side of an introduction. */
  introduce(payload: Uint8Array): Introduction {
    const { publicKey } = this.options.identity;
    return { publicKey, signature: this.signature, payload };
  }
}

/** The text by which the gates of one kind into one network are found. */
export function gateName(key: Pick<SessionKey, "network" | "kind">): string {
  return `${key.kind}:${key.network}`;
}

/**
 * Judges what a peer says of itself in message 2 or 3.
 *
 * @param expected Whom we asked for, if we know; `undefined` for a peer that came to us.
 */
export function meet<Member>(
  core: SessionCore<Member>,
  key: AcceptedKey,
  shown: { payload: Uint8Array; staticKey: Uint8Array; expected: NodeId | null | undefined },
): { ok: true; met: Met<Member> } | { ok: false; fault: Fault } {
  const introduction = readIntroduction(shown.payload, shown.staticKey);
  if (!introduction.ok) return { ok: false, fault: { reason: introduction.reason } };
  const node = nodeIdOf(introduction.value.publicKey);
  if (node === core.self || (shown.expected && node !== shown.expected)) {
    return { ok: false, fault: { reason: "wrong-peer", detail: node } };
  }
  const verdict: Result<Member> = core.options.verifyPeer({
    network: key.network,
    kind: key.kind,
    node,
    initiator: shown.expected !== undefined,
    payload: introduction.value.payload,
  });
  if (!verdict.ok) return { ok: false, fault: { reason: "unverified", detail: verdict.reason } };
  return { ok: true, met: { node, introduction: introduction.value, member: verdict.value } };
}

/**
 * Whether a peer's slot is there or can be made. Joiners have a share of their own, for whoever holds an
 * invite comes by as many names as it likes: the one who came first gives way.
 */
export function makeRoom<Member>(
  core: SessionCore<Member>,
  name: { key: AcceptedKey; node: NodeId },
  turn: Turn<Member>,
): boolean {
  const { network, kind } = name.key;
  if (core.slots.find({ network, kind, node: name.node }) !== undefined) return true;
  if (kind === "epoch") return core.slots.size(kind) < core.limits.peersMax;
  const oldest = core.slots.size(kind) < core.limits.joinersMax
    ? undefined
    : core.slots.oldest(kind);
  if (oldest === undefined) return true;
  endSession(core, oldest, { reason: "expired" }, turn);
  for (const link of linksOf(oldest)) endLink(core, link);
  return true;
}

/** Ends one link without a word. */
export function endLink<Member>(core: SessionCore<Member>, link: Link<Member>): void {
  unplace(link);
  core.release(link.is.id);
  link.wipe();
  core.slots.dropIfEmpty(link.is.slot);
}

/** Ends the current session of a slot and what is left of older ones, and says so. */
export function endSession<Member>(
  core: SessionCore<Member>,
  slot: Slot<Member>,
  end: { reason: CloseReason; detail?: string },
  turn: Turn<Member>,
): void {
  const hadCurrent = slot.current !== undefined;
  for (const link of linksOf(slot)) {
    if (link.role === "current" || link.role === "previous") endLink(core, link);
  }
  if (hadCurrent) turn.out.push({ type: "closed", peer: slot.peer, kind: slot.kind, ...end });
}

/** Sets a link's deadline by its role. Unconfirmed links of ours are armed where they are resent. */
export function armLink<Member>(core: SessionCore<Member>, link: Link<Member>, now: Instant): void {
  const { id, createdAt, initiator, key } = link.is;
  const rejectAt = after(createdAt, REJECT_AFTER_MS);
  switch (link.role) {
    case "current": {
      const rekeyAt = after(createdAt, REKEY_AFTER_MS);
      if (initiator && key.kind === "epoch" && rekeyAt > now) {
        return core.timers.set(id, rekeyAt, "session rekey");
      }
      return core.timers.set(id, rejectAt, "session end");
    }
    case "previous": {
      const at = Math.min(after(now, PREVIOUS_MS), rejectAt) as Instant;
      return core.timers.set(id, at, "old session end");
    }
    case "ours":
    case "theirs":
      return;
    default:
      unreachable(link.role);
  }
}

/** Says that a handshake of ours came to nothing, unless nobody asked for it. */
export function tellFailure<Member>(
  attempt: { peer: NodeId | null; key: AcceptedKey; path: Path | null; isRenewal: boolean },
  fault: Fault,
  turn: Turn<Member>,
): void {
  if (attempt.isRenewal) return;
  const { network, kind } = attempt.key;
  turn.out.push({
    type: "failed",
    network,
    kind,
    peer: attempt.peer,
    path: attempt.path,
    ...fault,
  });
}
