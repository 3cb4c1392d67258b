/**
 * Sessions with peers: handshakes, datagrams, renewal, ends. A session belongs to one network and one
 * peer; there are two kinds, by epoch key and by invite, which never mix.
 *
 * ```text
 *  connect ─▶ attempt ─reply─▶ link(ours) ──┐
 *                                           ├─ first datagram ─▶ current ─▶ established
 *  hello ─▶ pending ──finish─▶ link(theirs)─┘                       │
 *                                                 newer one ◀───────┼──▶ farewell, 180 s ─▶ closed
 *                                          previous: read 10 s more
 * ```
 *
 * Source: Noise revision 34; timers after WireGuard's paper §6; the simultaneous open after the
 * project's design §3. Not here: which path is best (each `send` names it), IKpsk2, cookies.
 *
 * @module
 */
import {
  after,
  equalBytes,
  type Instant,
  type Machine,
  type Path,
  type PeerKey,
  type SessionKind,
  splitPeerKey,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import { sha256 } from "../crypto/mod.ts";
import { CONTROL, MESSAGE, parseFrame, PAYLOAD_BYTES_MAX } from "../wire/mod.ts";
import { REJECT_AFTER_MS } from "./constants.ts";
import {
  armLink,
  endLink,
  endSession,
  type Holder,
  type ReceiverChange,
  SessionCore,
  type Turn,
} from "./core.ts";
import { attemptDue, attemptWith, connect, failAttempt, failLink, takeReply } from "./initiator.ts";
import { parseFarewell, splitDatagram, splitNamed } from "./layout.ts";
import type { Link } from "./link.ts";
import { closeSlot, linkDue, promote } from "./link_life.ts";
import { dropPending, takeFinish, takeHello } from "./responder.ts";
import { takeRefusal } from "./turning_away.ts";
import type { SessionIn, SessionOptions, SessionOut, SessionStats, SessionView } from "./types.ts";

const KINDS: readonly SessionKind[] = ["epoch", "invite"];
const NOTHING = new Uint8Array();

/** The sessions of one node. */
export class SessionMachine<Member = unknown> implements Machine<SessionIn, SessionOut<Member>> {
  readonly #core: SessionCore<Member>;

  constructor(options: SessionOptions<Member>) {
    this.#core = new SessionCore(options);
  }

  /**
   * Takes one input.
   *
   * @throws {RangeError} On a caller's mistake only: a payload of a length that cannot be sent, or too
   * many keys. Never on what a peer sends.
   */
  handle(input: SessionIn, now: Instant, out: SessionOut<Member>[]): void {
    const turn = { now, out };
    switch (input.type) {
      case "datagram":
        return this.#datagram(input.bytes, input.path, turn);
      case "connect":
        return connect(this.#core, input, turn);
      case "keys":
        return this.#core.setKeys(input.keys, input.refused ?? []);
      case "send":
        return this.#send(input, turn);
      case "moved":
        return this.#moved(input);
      case "close":
        return this.#close(input, turn);
      case "wake":
        return this.#wake(turn);
      default:
        unreachable(input);
    }
  }

  wakeup(): Wakeup | undefined {
    return this.#core.timers.next();
  }

  /** Whether a session with the peer can be used. */
  has(peer: PeerKey, kind: SessionKind = "epoch"): boolean {
    return this.#core.slots.get(peer, kind)?.current !== undefined;
  }

  /** The path on which the peer's newest datagram came. */
  pathOf(peer: PeerKey, kind: SessionKind = "epoch"): Path | undefined {
    return this.#core.slots.get(peer, kind)?.current?.heardPath;
  }

  /** The path on which the peer was proven to be when the session began; wherever it is by now. */
  provenPathOf(peer: PeerKey, kind: SessionKind = "epoch"): Path | undefined {
    return this.#core.slots.get(peer, kind)?.current?.is.provenPath;
  }

  /** The sessions that can be used, to be shown. */
  sessions(now: Instant): SessionView[] {
    const current = [...this.#core.slots.values()].map((slot) => slot.current);
    return current.filter((link) => link !== undefined).map((link) => viewOf(link, now));
  }

  /** The receivers of frames that came and went since the last call, for who filters what arrives. */
  takeReceivers(): ReceiverChange | undefined {
    return this.#core.takeReceivers();
  }

  stats(): SessionStats {
    const { slots, attempts, pending, established, drops } = this.#core;
    const sessions = [...slots.values()].filter((slot) => slot.current !== undefined).length;
    return {
      sessions,
      attempts: attempts.size,
      pending: pending.size,
      established,
      dropped: drops.read(),
    };
  }

  #datagram(bytes: Uint8Array, path: Path, turn: Turn<Member>): void {
    const core = this.#core;
    const frame = parseFrame(bytes);
    if (!frame.ok || frame.value.type !== "control") return core.drops.count("not-control");
    switch (frame.value.control) {
      case CONTROL.hello:
        return takeHello(core, bytes, path, turn);
      case CONTROL.reply:
        return this.#reply(bytes, path, turn);
      case CONTROL.refusal:
        return this.#refusal(bytes, path, turn);
      case CONTROL.finish:
        return this.#finish(bytes, path, turn);
      case CONTROL.datagram:
        return this.#payload(bytes, path, turn);
      default:
        core.drops.count("unknown-type");
    }
  }

  #reply(frame: Uint8Array, path: Path, turn: Turn<Member>): void {
    const named = splitNamed(frame);
    if (!named.ok) return this.#core.drops.count(named.reason);
    const holder = this.#core.holder(named.value.receiver);
    if (holder?.type !== "attempt") return this.#core.drops.count("unknown-session");
    takeReply(this.#core, holder, { message: named.value.message, path }, turn);
  }

  #refusal(frame: Uint8Array, path: Path, turn: Turn<Member>): void {
    const named = splitNamed(frame);
    if (!named.ok) return this.#core.drops.count(named.reason);
    const holder = this.#core.holder(named.value.receiver);
    if (holder?.type !== "attempt") return this.#core.drops.count("unknown-session");
    takeRefusal(this.#core, holder, { frame, path }, turn);
  }

  #finish(frame: Uint8Array, path: Path, turn: Turn<Member>): void {
    const { drops } = this.#core;
    const named = splitNamed(frame);
    if (!named.ok) return drops.count(named.reason);
    const { receiver, message } = named.value;
    const holder = this.#core.holder(receiver);
    if (holder?.type === "pending") return takeFinish(this.#core, holder, { message, path }, turn);
    const digest = holder?.type === "link" ? holder.finishDigest : undefined;
    if (digest === undefined) return drops.count("unknown-session");
    drops.count(equalBytes(digest, sha256(message)) ? "duplicate-finish" : "bad-handshake");
  }

  #payload(frame: Uint8Array, path: Path, turn: Turn<Member>): void {
    const { drops } = this.#core;
    const parts = splitDatagram(frame);
    if (!parts.ok) return drops.count(parts.reason);
    const link = this.#core.holder(parts.value.receiver);
    if (link?.type !== "link") return drops.count("unknown-session");
    if (turn.now >= after(link.is.createdAt, REJECT_AFTER_MS)) return drops.count("expired");
    // Asked before it is opened, and paid after: forgeries use up nobody's share.
    const { senders } = this.#core;
    const sender = `${link.is.slot.kind}:${link.is.slot.peer}`;
    if (!senders.has(sender, 1, turn.now)) return drops.count("too-many");
    const opened = link.open(frame, path, turn.now);
    if (!opened.ok) return drops.count(opened.reason);
    senders.take(sender, 1, turn.now);
    this.#opened(link, opened.value, path, turn);
  }

  /** An authentic, fresh payload came on a link. */
  #opened(link: Link<Member>, payload: Uint8Array, path: Path, turn: Turn<Member>): void {
    const { peer, kind } = link.is.slot;
    if (payload[0] === MESSAGE.farewell) return this.#farewell(link, payload, turn);
    if (link.role === "ours" || link.role === "theirs") promote(this.#core, link, turn);
    if (link.role === "previous") armLink(this.#core, link, turn.now);
    if (payload.length > 0) {
      turn.out.push({ type: "received", peer, kind, path, payload });
    } else if (!link.is.initiator) {
      turn.out.push({ type: "transmit", path, bytes: link.seal(NOTHING) });
    }
  }

  #farewell(link: Link<Member>, payload: Uint8Array, turn: Turn<Member>): void {
    const core = this.#core;
    const farewell = parseFarewell(payload);
    if (!farewell.ok) return core.drops.count(farewell.reason);
    const detail = farewell.value.reason;
    switch (link.role) {
      case "ours":
        return failLink(core, link, { reason: "refused", detail }, turn);
      case "current":
        return endSession(core, link.is.slot, { reason: "left", detail }, turn);
      case "theirs":
      case "previous":
        return endLink(core, link);
      default:
        unreachable(link.role);
    }
  }

  #send(input: Extract<SessionIn, { type: "send" }>, turn: Turn<Member>): void {
    const { length } = input.payload;
    if (length < 1 || length > PAYLOAD_BYTES_MAX) {
      throw new RangeError(`Cannot send payload: it has ${length} bytes`);
    }
    const link = this.#core.slots.get(input.peer, input.kind ?? "epoch")?.current;
    if (link === undefined) return this.#core.drops.count("no-session");
    if (turn.now >= after(link.is.createdAt, REJECT_AFTER_MS)) {
      return this.#core.drops.count("expired");
    }
    const ttl = input.ttl ?? 0;
    const bytes = link.seal(input.payload);
    if (ttl > 0) return void turn.out.push({ type: "transmit", path: input.path, bytes, ttl });
    if (!isProbe(input.payload)) link.sentPath = input.path;
    turn.out.push({ type: "transmit", path: input.path, bytes });
  }

  #moved({ peer, path }: Extract<SessionIn, { type: "moved" }>): void {
    const link = this.#core.slots.get(peer, "epoch")?.current;
    if (link !== undefined) link.sentPath = path;
  }

  #close(input: Extract<SessionIn, { type: "close" }>, turn: Turn<Member>): void {
    for (const kind of input.kind === undefined ? KINDS : [input.kind]) {
      const slot = this.#core.slots.get(input.peer, kind);
      if (slot !== undefined) closeSlot(this.#core, slot, input.reason ?? "left", turn);
      const { network, node } = splitPeerKey(input.peer);
      const attempt = attemptWith(this.#core, { network, kind }, node);
      if (attempt !== undefined) failAttempt(this.#core, attempt, { reason: "closed" }, turn);
    }
  }

  #wake(turn: Turn<Member>): void {
    for (;;) {
      const id = this.#core.timers.takeDue(turn.now);
      if (id === undefined) return;
      const holder = this.#core.holder(id);
      if (holder !== undefined) this.#due(holder, turn);
    }
  }

  #due(holder: Holder<Member>, turn: Turn<Member>): void {
    switch (holder.type) {
      case "attempt":
        return attemptDue(this.#core, holder, turn);
      case "pending":
        return dropPending(this.#core, holder);
      case "link":
        return linkDue(this.#core, holder, turn);
      default:
        unreachable(holder);
    }
  }
}

/** Pings and pongs go to where a peer only may be. */
function isProbe(payload: Uint8Array): boolean {
  return payload[0] === MESSAGE.ping || payload[0] === MESSAGE.pong;
}

function viewOf<Member>(link: Link<Member>, now: Instant): SessionView {
  const { slot, initiator, createdAt } = link.is;
  return {
    peer: slot.peer,
    network: slot.network,
    node: slot.node,
    kind: slot.kind,
    initiator,
    path: link.heardPath,
    ageMs: now - createdAt,
    heardMsAgo: now - link.heardAt,
    sentDatagrams: link.sent,
    receivedDatagrams: link.received,
  };
}
