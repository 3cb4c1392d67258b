/**
 * What a relay does for members: joins two of them in a session whose bytes it cannot read, and
 * keeps their records as the directory.
 *
 * @module
 */
import type { RelayStatusResult } from "../../api/nouns/relay.ts";
import { OmertaError, type PeerKey, peerKey, splitPeerKey } from "../../base/mod.ts";
import { grantedRoles, verifyRecord } from "../../membership/mod.ts";
import type { RelayStats } from "../../host/net/commands.ts";
import type { RelayOptions } from "../options.ts";
import type { Answer, Question } from "../../node/mod.ts";
import {
  RELAY_LIMITS,
  RelayBook,
  type RelayLimits,
  type RelayRefusal,
  type RelaySession,
} from "../../relay/mod.ts";
import { isRelayed } from "../../wire/mod.ts";
import type { Context } from "../context.ts";
import type { LoopEvent } from "../run/loop.ts";
import type { Caller } from "../ports.ts";
import type { Networks } from "../networks/networks.ts";
import type { Peers } from "./peers.ts";
import { recordPage } from "./record_page.ts";

/** How often idle sessions are looked for. */
const SWEEP_MS = 15_000;
/** How long the other member may take to accept. */
const OFFER_MS = 3_000;

/** The relay of a running node. */
export class RelayService {
  readonly #context: Context;
  readonly #networks: Networks;
  readonly #peers: Pick<Peers, "member">;
  readonly #book: RelayBook;
  readonly #limits: RelayLimits;
  readonly #sweep: ReturnType<typeof setInterval>;

  constructor(
    context: Context,
    parts: {
      readonly networks: Networks;
      readonly peers: Pick<Peers, "member">;
      readonly limits: RelayOptions | undefined;
    },
  ) {
    this.#context = context;
    this.#networks = parts.networks;
    this.#peers = parts.peers;
    this.#limits = limitsOf(parts.limits);
    this.#book = new RelayBook(context.random, this.#limits.sessions);
    this.#limit();
    context.loop.serve("relay.allocate", (caller, question) => this.#allocate(caller, question));
    context.loop.serve("record.publish", (caller, question) => this.#publish(caller, question));
    context.loop.serve("record.list", (caller, question) => this.#list(caller, question));
    context.loop.listen((event) => this.#onEvent(event));
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
  }

  status(): RelayStatusResult {
    const stats = this.#stats();
    const byId = new Map(stats.sessions.map((session) => [session.session, session]));
    return {
      sessions: this.#book.all().length,
      limits: {
        sessions: this.#limits.sessions,
        bytes_per_s: this.#limits.bytesPerS,
        session_bytes_per_s: this.#limits.sessionBytesPerS,
      },
      forwarded: stats.total,
      dropped: stats.dropped,
      pairs: this.#book.all().map(({ id, a, b }) => ({
        a: splitPeerKey(a.peer).node,
        b: splitPeerKey(b.peer).node,
        control: byId.get(id)?.control ?? { packets: 0, bytes: 0 },
        tunnel: byId.get(id)?.tunnel ?? { packets: 0, bytes: 0 },
      })),
    };
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  async #allocate(
    caller: Caller,
    question: Question<"relay.allocate">,
  ): Promise<Answer<"relay.allocate">> {
    const { network, node } = splitPeerKey(caller.peer);
    const other = peerKey(network, question.peer as typeof node);
    const a = { peer: caller.peer, address: this.#addressOf(caller.peer) };
    const b = { peer: other, address: this.#addressOf(other) };
    const isKnown = this.#book.joins(a.peer, b.peer);
    const allocated = this.#book.allocate(a, b, this.#context.now());
    if (!allocated.ok) throw refusalError(allocated.reason);
    const session = allocated.value;
    try {
      this.#set(session);
      const offer = { session: session.id, peer: node, address: a.address };
      await this.#context.loop.call(other, "relay.offer", offer, { timeoutMs: OFFER_MS });
    } catch (error) {
      if (!isKnown) this.#remove(session); // A known one may carry something though an offer got lost.
      throw error;
    }
    return { session: session.id, address: b.address };
  }

  #publish(
    { peer }: Caller,
    { record }: Question<"record.publish">,
  ): Answer<"record.publish"> {
    const { network, node } = splitPeerKey(peer);
    const nowMs = this.#context.wallMs();
    const verified = verifyRecord(record, { network, nowMs });
    if (!verified.ok) throw new OmertaError("refused", `The record is refused: ${verified.reason}`);
    const { id, roles } = verified.value;
    if (id !== node) {
      throw new OmertaError("not-allowed", "A member publishes its own record only");
    }
    const grants = this.#peers.member(peer)?.grants ?? [];
    if (grantedRoles(roles, grants).length < roles.length) {
      throw new OmertaError("not-allowed", "A record says no more than its member may do");
    }
    this.#networks.get(network)?.records.put(verified.value, nowMs);
    return {};
  }

  #list({ peer }: Caller, { after }: Question<"record.list">): Answer<"record.list"> {
    const { network } = splitPeerKey(peer);
    const all = this.#networks.get(network)?.records.list(this.#context.wallMs()) ?? [];
    const { page, more } = recordPage(all, after);
    return { records: page.map(({ bytes }) => bytes), next: more ? page.at(-1)?.id ?? null : null };
  }

  /** The proven direct address of a registered member. */
  #addressOf(peer: PeerKey): string {
    const path = this.#context.loop.machine.activePath(peer);
    if (path !== null && !isRelayed(path)) return path;
    const node = splitPeerKey(peer).node.slice(0, 8);
    throw new OmertaError("unreachable", `The peer ${node} is not registered at this relay`, {
      hint: "Is its node running? See 'omerta mesh peers'.",
    });
  }

  #onEvent(event: LoopEvent): void {
    if (event.type === "peer-down" && event.kind === "epoch") return this.#onPeerDown(event);
    if (event.type !== "moved" || event.to === null || isRelayed(event.to)) return;
    const changed = this.#book.moved({ peer: event.peer, address: event.to });
    for (const session of changed) this.#set(session);
  }

  /** Who left, or may not stay, is forwarded to no more; who was lost may come back in a moment. */
  #onPeerDown({ peer, reason }: Extract<LoopEvent, { type: "peer-down" }>): void {
    if (reason !== "left" && reason !== "closed") return;
    for (const session of this.#book.left(peer)) this.#remove(session);
  }

  #expire(): void {
    const now = this.#context.now();
    for (const { session, idleMs } of this.#stats().sessions) this.#book.used(session, idleMs, now);
    for (const session of this.#book.expire(now)) this.#remove(session);
    const nowMs = this.#context.wallMs();
    for (const joined of this.#networks.list()) joined.records.sweep(nowMs);
  }

  #limit(): void {
    const { sessions, bytesPerS, sessionBytesPerS } = this.#limits;
    this.#context.net.command("relay.limits", {
      sessions,
      bytesPerSecond: bytesPerS,
      sessionBytesPerSecond: sessionBytesPerS,
    });
  }

  #set({ id, a, b }: RelaySession): void {
    this.#context.net.command("relay.set", { session: id, a: a.address, b: b.address });
  }

  #remove({ id }: RelaySession): void {
    this.#book.remove(id);
    try {
      this.#context.net.command("relay.remove", { session: id });
    } catch (error) {
      this.#context.log.debug("a relay session was gone already", { error: String(error) });
    }
  }

  #stats(): RelayStats {
    return this.#context.net.command("relay.stats", {});
  }
}

/** What was said, else the default; no session has more than all have. */
function limitsOf(said: RelayOptions | undefined): RelayLimits {
  const bytesPerS = said?.bytesPerS ?? RELAY_LIMITS.bytesPerS;
  const ofEach = said?.sessionBytesPerS ?? RELAY_LIMITS.sessionBytesPerS;
  return {
    sessions: said?.sessions ?? RELAY_LIMITS.sessions,
    bytesPerS,
    sessionBytesPerS: Math.min(ofEach, bytesPerS),
  };
}

function refusalError(reason: RelayRefusal): OmertaError {
  switch (reason) {
    case "same-peer":
    case "other-network":
      return new OmertaError("refused", "The relay joins two members of one network only");
    case "member-limit":
      return new OmertaError("refused", "A member has too many sessions at this relay");
    case "relay-full":
      return new OmertaError("refused", "The relay has no room for another session");
  }
}
