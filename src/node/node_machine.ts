/**
 * The node: sessions, calls and paths composed into one machine. It knows no clock and no socket,
 * so the simulator and the daemon run the same code.
 *
 * ```text
 *  datagram ─▶ sessions ─┬─ ping, pong ─▶ paths ─▶ routes, moved, lost
 *                        └─ piece, ack ─▶ calls ─▶ request, called
 *  transmit ◀─ sessions ◀── paths and calls: whatever they send goes inside the peer's session
 * ```
 *
 * It answers `ping` and `path.candidates` itself; every other call is the host's.
 *
 * @module
 */
import {
  BoundedMap,
  Buckets,
  earlier,
  type Instant,
  type Machine,
  type NodeId,
  type Path,
  type PeerKey,
  type Random,
  type Rate,
  type SessionKind,
  splitPeerKey,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import {
  type Namer,
  type NatJudgement,
  Observations,
  type PathIn,
  PathMachine,
  type PathOut,
  type PathView,
  PING,
  PONG,
  type Target,
} from "../path/mod.ts";
import {
  type SessionIn,
  SessionMachine,
  type SessionOptions,
  type SessionOut,
  type SessionStats,
} from "../session/mod.ts";
import {
  addressScope,
  isRelayed,
  MESSAGE,
  parseAddress,
  pathSource,
  scopeOfPath,
} from "../wire/mod.ts";
import { RPC_RESEND_MS, type RpcIn, RpcMachine, type RpcOut } from "../rpc/mod.ts";
import { encodeBody, encodeRefusal, parseAnswer, parseQuestion } from "./protocol/mod.ts";
import { Gate } from "./gate.ts";
import type { NodeIn, NodeOut } from "./types.ts";

/** Addresses of ourselves that a peer is told. Source: the protocol's limit. */
const OWN_CANDIDATES_MAX = 16;
/** Of those, addresses that peers say they see: many that lie do not crowd out our own. Guess. */
const OBSERVED_TOLD_MAX = 6;
/** Peers for whom a relay vouched; the oldest gives way. Guess. */
const VOUCHED_MAX = 4_096;
/** Handshakes of the host's that wait for their end. The session core bounds them too. */
const CONNECTS_MAX = 1_024;
/**
 * A path on which nothing was heard for so long is asked when a call is sent, or sent again. Guess:
 * the third sending of what is not acknowledged.
 */
const STALE_MS = 250;
/** A call for candidates ends after this: the next attempt follows anyway. Guess. */
const CANDIDATES_TIMEOUT_MS = 4_000;

/** First wait for an acknowledgement of a call's piece, in round trips. Guess: some for variation. */
const RESEND_RTTS = 1.5;

/** What calls that are answered here cost, and what a peer may spend. Guess: 100 pings a second. */
const OWN_CALL_COSTS: Readonly<Record<string, number | undefined>> = {
  "ping": 1,
  "path.candidates": 20,
};
const OWN_CALLS_RATE: Rate = { perS: 100, burst: 400 };
/** Peers whose spending is remembered: as many as may have a session. */
const ASKERS_MAX = 16_384;

interface Connect {
  readonly token: number;
  readonly input: Extract<NodeIn, { type: "connect" }>;
}

/** With what a node machine is made. */
export interface NodeOptions<Member> extends SessionOptions<Member> {
  readonly random: Random;
  /** False: a peer that was reached through a relay stays there. Default: true. */
  readonly direct?: boolean;
}

/** The machine of a whole node. */
export class NodeMachine<Member> implements Machine<NodeIn, NodeOut<Member>> {
  readonly #self: NodeId;
  readonly #sessions: SessionMachine<Member>;
  readonly #calls: RpcMachine;
  readonly #paths: PathMachine;
  readonly #observations = new Observations();
  readonly #vouched = new BoundedMap<PeerKey, string>(VOUCHED_MAX, "evict-oldest");
  readonly #askers = new Buckets<PeerKey>(OWN_CALLS_RATE, ASKERS_MAX);
  readonly #connects = new BoundedMap<number, Connect>(CONNECTS_MAX, "refuse");
  /** The proven path of each invite session: those have no path machine. */
  readonly #invitePaths = new BoundedMap<PeerKey, Path>(CONNECTS_MAX, "evict-oldest");
  /** Our own calls for candidates, by token; host's tokens are positive. */
  readonly #offers = new Map<number, PeerKey>();
  #nextOffer = -1;
  readonly #direct: boolean;
  readonly #gate: Gate;
  #advertised: readonly string[] = [];

  constructor(options: NodeOptions<Member>) {
    this.#direct = options.direct ?? true;
    this.#gate = new Gate(this.#direct);
    this.#self = options.identity.id;
    this.#sessions = new SessionMachine(options);
    const resendMs = (peer: PeerKey, kind: SessionKind) => this.#resendMs(peer, kind);
    this.#calls = new RpcMachine({ random: options.random, resendMs });
    this.#paths = new PathMachine(options.random, this.#gate.budget);
  }

  handle(input: NodeIn, now: Instant, out: NodeOut<Member>[]): void {
    const begin = out.length;
    this.#handle(input, new Turn(now, out));
    const receivers = this.#sessions.takeReceivers();
    if (receivers === undefined) return;
    out.splice(begin, 0, { type: "receivers", ...receivers }); // before what may be answered
  }

  #handle(input: NodeIn, turn: Turn<Member>): void {
    switch (input.type) {
      case "datagram":
        return this.#session({ type: "datagram", path: input.path, bytes: input.bytes }, turn);
      case "connect":
        return this.#connect(input, turn);
      case "disconnect":
        return this.#session({ type: "close", peer: input.peer, kind: input.kind }, turn);
      case "call":
        return this.#call({ ...input, method: input.name }, turn);
      case "cancel":
        this.#connects.delete(input.token);
        return this.#call(input, turn);
      case "answer":
        return this.#call(input, turn);
      case "vouch":
        this.#vouched.set(input.peer, input.address);
        return;
      case "local":
        return this.#onLocal(input, turn);
      case "keys":
        return this.#session(input, turn);
      case "add-path":
      case "demand":
      case "path-doubt":
      case "path-dead":
        return this.#path(input, turn);
      case "wake":
        this.#session(input, turn);
        this.#call(input, turn);
        return this.#path(input, turn);
      default:
        unreachable(input);
    }
  }

  wakeup(): Wakeup | undefined {
    return earlier(
      this.#paths.wakeup(),
      earlier(this.#sessions.wakeup(), this.#calls.wakeup()),
    );
  }

  /** Whether there is a member's session with the peer. */
  isConnected(peer: PeerKey): boolean {
    return this.#sessions.has(peer, "epoch");
  }

  /** The source prefix at which the peer was proven to be when its session began. */
  sourceOf(peer: PeerKey, kind: SessionKind): string | undefined {
    const path = this.#sessions.provenPathOf(peer, kind);
    return path === undefined ? undefined : pathSource(path).key;
  }

  /** The path on which we send to the peer now. */
  activePath(peer: PeerKey): Path | null {
    return this.#paths.active(peer);
  }

  /** The proven paths to a peer, the active one first. */
  pathsOf(peer: PeerKey, now: Instant): PathView[] {
    return this.#paths.views(peer, now);
  }

  /** The judgement of our NAT for one family. */
  judgeNat(family: "ipv4" | "ipv6", now: Instant): NatJudgement {
    return this.#observations.judge(family, this.#gate.local.addresses, now);
  }

  /** The addresses at which peers see us. */
  observed(now: Instant): string[] {
    return this.#observations.addresses(now);
  }

  /** Whether a session may be opened at a path whose address `named` named. */
  mayOpen(path: Path, named: Namer): boolean {
    return this.#gate.admits(path, named, () => this.#paths.hasLoopback());
  }

  /** Counters of the sessions. */
  sessionStats(): SessionStats {
    return this.#sessions.stats();
  }

  #connect(input: Extract<NodeIn, { type: "connect" }>, turn: Turn<Member>): void {
    const { token, peer, path, named, key, payload } = input;
    if (!this.mayOpen(path, named)) {
      turn.out.push({ type: "connect-failed", token, reason: "unwanted", detail: null });
      return;
    }
    if (!this.#connects.set(token, { token, input })) {
      turn.out.push({ type: "connect-failed", token, reason: "busy", detail: null });
      return;
    }
    this.#session({ type: "connect", peer, path, key, payload }, turn);
  }

  #onLocal(input: Extract<NodeIn, { type: "local" }>, turn: Turn<Member>): void {
    const before = JSON.stringify(this.#gate.local);
    this.#gate.local = input.local;
    this.#advertised = input.advertised;
    if (before === JSON.stringify(input.local)) return;
    this.#observations.clear();
    this.#path({ type: "network-changed" }, turn);
  }

  // Sessions ---------------------------------------------------------------------------------

  #session(input: SessionIn, turn: Turn<Member>): void {
    const out: SessionOut<Member>[] = [];
    this.#sessions.handle(input, turn.now, out);
    for (const output of out) this.#onSession(output, turn);
  }

  #onSession(output: SessionOut<Member>, turn: Turn<Member>): void {
    switch (output.type) {
      case "transmit":
        return this.#transmit(output, turn);
      case "established":
        return this.#onEstablished(output, turn);
      case "received":
        return this.#onReceived(output, turn);
      case "failed":
        return this.#onFailed(output, turn);
      case "closed":
        return this.#onClosed(output, turn);
      default:
        unreachable(output);
    }
  }

  /** What opens a session passes the gate; all else goes where somebody has proved to be. */
  #transmit(
    { path, bytes, ttl = 0, opens }: Extract<SessionOut<Member>, { type: "transmit" }>,
    turn: Turn<Member>,
  ): void {
    if (
      opens !== undefined && !this.#mayKnock(path, { bytes: bytes.length, message: opens }, turn)
    ) {
      return;
    }
    turn.out.push({ type: "transmit", path, bytes, ttl });
  }

  #mayKnock(
    path: Path,
    opening: { readonly bytes: number; readonly message: "hello" | "finish" },
    { now }: Turn<Member>,
  ): boolean {
    const meant = [...this.#connects.values()].filter(({ input }) => input.path === path);
    const named = meant.some(({ input }) => input.named === "person") ? "person" : "record";
    const by = meant[0]?.input.peer ?? "";
    return this.#gate.take({ path, named, by, ...opening }, now);
  }

  #onEstablished(
    up: Extract<SessionOut<Member>, { type: "established" }>,
    turn: Turn<Member>,
  ): void {
    const { peer, kind, member, path, initiator, renewed, proven } = up;
    if (proven) this.#gate.budget.answered(path, turn.now);
    const punch = this.#direct && this.#self < up.node;
    if (kind === "epoch") this.#path({ type: "peer-up", peer, path, proven, punch }, turn);
    else if (proven) this.#invitePaths.set(peer, path);
    turn.out.push({ type: "peer-up", peer, kind, member, path, initiator, renewed });
    // A connect to a named peer is over whoever's handshake came through first.
    const ended = this.#takeConnects(({ input }) =>
      input.key.network === up.network && input.key.kind === kind &&
      (input.peer === up.node || (input.peer === null && initiator && input.path === path))
    );
    for (const { token } of ended) turn.out.push({ type: "connected", token, peer });
  }

  #onFailed(failed: Extract<SessionOut<Member>, { type: "failed" }>, turn: Turn<Member>): void {
    const { reason } = failed;
    const ended = this.#takeConnects(({ input }) =>
      input.key.network === failed.network && input.key.kind === failed.kind &&
      input.peer === failed.peer && (input.peer !== null || input.path === failed.path)
    );
    for (const { token } of ended) {
      turn.out.push({ type: "connect-failed", token, reason, detail: failed.detail ?? null });
    }
  }

  #onReceived(
    received: Extract<SessionOut<Member>, { type: "received" }>,
    turn: Turn<Member>,
  ): void {
    const { peer, kind, path } = received;
    if (kind === "epoch") this.#path({ type: "heard", peer, path }, turn);
    this.#onPayload(received, turn);
    // A source may be forged, by a member too: only where the peer has proved to be it counts.
    const isProven = kind === "epoch"
      ? this.#paths.isProven(peer, path)
      : this.#invitePaths.get(peer) === path;
    if (isProven) turn.out.push({ type: "heard", path });
  }

  #onPayload(
    { peer, kind, path, payload }: Extract<SessionOut<Member>, { type: "received" }>,
    turn: Turn<Member>,
  ): void {
    switch (payload[0]) {
      case PING:
      case PONG:
        if (kind !== "epoch" || this.#isUnwanted(peer, path)) return;
        return this.#path({ type: "probe", peer, path, bytes: payload }, turn);
      case MESSAGE.rpcPiece:
      case MESSAGE.rpcAck:
        return this.#call({ type: "message", peer, kind, bytes: payload }, turn);
      default: // Kinds of later versions are not for us.
    }
  }

  #onClosed(closed: Extract<SessionOut<Member>, { type: "closed" }>, turn: Turn<Member>): void {
    const { peer, kind, reason, detail } = closed;
    this.#call({ type: "peer-gone", peer, kind }, turn);
    if (kind === "invite") this.#invitePaths.delete(peer);
    else this.#path({ type: "peer-down", peer }, turn);
    const why = turn.lost.has(peer) ? "lost" : reason;
    turn.out.push({ type: "peer-down", peer, kind, reason: why, detail: detail ?? null });
  }

  #takeConnects(isMeant: (connect: Connect) => boolean): Connect[] {
    const meant = [...this.#connects.values()].filter(isMeant);
    for (const { token } of meant) this.#connects.delete(token);
    return meant;
  }

  // Calls ------------------------------------------------------------------------------------

  #call(input: RpcIn, turn: Turn<Member>): void {
    const out: RpcOut[] = [];
    this.#calls.handle(input, turn.now, out);
    for (const output of out) this.#onCall(output, turn);
  }

  #onCall(output: RpcOut, turn: Turn<Member>): void {
    switch (output.type) {
      case "send":
        return this.#sendCall(output, turn);
      case "request":
        return this.#onRequest(output, turn);
      case "done":
        if (output.token < 0) this.#onOfferAnswered(output, turn);
        else turn.out.push({ type: "called", token: output.token, result: output.result });
        return;
      default:
        unreachable(output);
    }
  }

  #sendCall({ peer, kind, payload }: Extract<RpcOut, { type: "send" }>, turn: Turn<Member>): void {
    const path = kind === "invite" ? this.#invitePaths.get(peer) : this.#paths.active(peer);
    if (path === undefined || path === null) return; // Resent when there is a path again.
    this.#session({ type: "send", peer, kind, path, payload }, turn);
    if (kind === "epoch") this.#askStalePath(peer, turn);
  }

  /** A slow path does not carry all again before the first acknowledgement can be back. */
  #resendMs(peer: PeerKey, kind: SessionKind): number {
    const active = kind === "epoch" ? this.#paths.active(peer) : null;
    const rttMs = active === null ? null : this.#paths.rttMs(peer, active);
    return Math.max(RPC_RESEND_MS, RESEND_RTTS * (rttMs ?? 0));
  }

  #onRequest(request: Extract<RpcOut, { type: "request" }>, turn: Turn<Member>): void {
    const { peer, kind, call, method, body } = request;
    const cost = kind === "epoch" ? OWN_CALL_COSTS[method] : undefined;
    if (cost !== undefined && !this.#askers.take(peer, cost, turn.now)) {
      const refusal = encodeRefusal({ code: "refused", message: "You ask too often" });
      return this.#call({ type: "answer", peer, kind, call, ok: false, body: refusal }, turn);
    }
    if (kind === "epoch" && method === "ping") {
      return this.#call({ type: "answer", peer, kind, call, ok: true, body: encodeBody({}) }, turn);
    }
    if (kind === "epoch" && method === "path.candidates") return this.#onCandidates(request, turn);
    turn.out.push({ type: "request", peer, kind, call, name: method, body });
  }

  // Paths ------------------------------------------------------------------------------------

  #path(input: PathIn, turn: Turn<Member>): void {
    const out: PathOut[] = [];
    this.#paths.handle(input, turn.now, out);
    for (const output of out) this.#onPath(output, turn);
  }

  #onPath(output: PathOut, turn: Turn<Member>): void {
    switch (output.type) {
      case "send":
        return this.#session(output, turn);
      case "routes":
        turn.out.push(output);
        return;
      case "moved":
        turn.out.push(output);
        if (output.to === null) return;
        return this.#session({ type: "moved", peer: output.peer, path: output.to }, turn);
      case "observed":
        return this.#onObserved(output, turn);
      case "offer-candidates":
        return this.#offerCandidates(output.peer, turn);
      case "lost":
        turn.lost.add(output.peer);
        return this.#session({ type: "close", peer: output.peer, kind: "epoch" }, turn);
      default:
        unreachable(output);
    }
  }

  /** A call goes out on a path that has been quiet: a ping tells whether the peer is still there. */
  #askStalePath(peer: PeerKey, turn: Turn<Member>): void {
    const [active] = this.#paths.views(peer, turn.now);
    if (active === undefined || active.heardMsAgo < STALE_MS) return;
    this.#path({ type: "path-doubt", peer, path: active.path }, turn);
  }

  #onObserved(
    { peer, path, address }: Extract<PathOut, { type: "observed" }>,
    turn: Turn<Member>,
  ): void {
    const seen = parseAddress(address);
    if (!seen.ok || addressScope(seen.value.ip) === "unusable") return;
    const { prefix } = pathSource(path);
    const { node } = splitPeerKey(peer);
    if (this.#observations.note(node, { prefix, address, at: turn.now })) {
      turn.out.push({ type: "endpoints", addresses: this.#observations.addresses(turn.now) });
    }
  }

  #offerCandidates(peer: PeerKey, turn: Turn<Member>): void {
    const token = this.#nextOffer--;
    this.#offers.set(token, peer);
    const body = encodeBody({ addresses: this.#ownCandidates(turn.now) });
    const timeoutMs = CANDIDATES_TIMEOUT_MS;
    this.#call({ type: "call", token, peer, method: "path.candidates", body, timeoutMs }, turn);
  }

  /** The driver's turn: the other side has our candidates and starts now. */
  #onOfferAnswered(
    { token, result }: Extract<RpcOut, { type: "done" }>,
    turn: Turn<Member>,
  ): void {
    const peer = this.#offers.get(token);
    this.#offers.delete(token);
    const answer = result.ok ? parseAnswer("path.candidates", result.body) : undefined;
    if (peer === undefined || answer?.ok !== true) return;
    const targets = this.#targets(peer, answer.value.addresses);
    this.#path({ type: "punch", peer, targets, startInMs: 0 }, turn);
  }

  /** The other side's turn: our full pings wait until our answer has arrived. */
  #onCandidates(request: Extract<RpcOut, { type: "request" }>, turn: Turn<Member>): void {
    const { peer, kind, call, body } = request;
    const question = parseQuestion("path.candidates", body);
    const addresses = question.ok ? question.value.addresses : [];
    const answer = encodeBody({ addresses: this.#ownCandidates(turn.now) });
    this.#call({ type: "answer", peer, kind, call, ok: question.ok, body: answer }, turn);
    const active = this.#paths.active(peer);
    const rttMs = active === null ? null : this.#paths.rttMs(peer, active);
    const targets = this.#targets(peer, addresses);
    this.#path({ type: "punch", peer, targets, startInMs: (rttMs ?? 0) / 2 }, turn);
  }

  /** Whether a path is direct where peers behind a relay are to stay there. */
  #isUnwanted(peer: PeerKey, path: Path): boolean {
    const active = this.#paths.active(peer);
    return !this.#direct && active !== null && isRelayed(active) && !isRelayed(path);
  }

  #ownCandidates(now: Instant): string[] {
    if (!this.#direct) return [];
    const usable = this.#gate.local.addresses.filter((address) => {
      const parsed = parseAddress(address);
      return parsed.ok && addressScope(parsed.value.ip) !== "link-local";
    });
    const observed = this.#observations.addresses(now).slice(0, OBSERVED_TOLD_MAX);
    const all = [...this.#advertised, ...observed, ...usable];
    return [...new Set(all)].slice(0, OWN_CANDIDATES_MAX);
  }

  #targets(peer: PeerKey, addresses: readonly string[]): Target[] {
    const vouched = this.#vouched.get(peer) ?? null;
    return this.#gate.targets({ vouched, addresses }, this.#isOnLoopback(peer));
  }

  /** Whether the peer, or the relay that leads to it, is seen on a loopback address. */
  #isOnLoopback(peer: PeerKey): boolean {
    const active = this.#paths.active(peer);
    return active !== null && scopeOfPath(active) === "loopback";
  }
}

/** One input's turn: the time, what comes out, and the peers whose last path ended in it. */
class Turn<Member> {
  readonly lost = new Set<PeerKey>();
  constructor(readonly now: Instant, readonly out: NodeOut<Member>[]) {}
}
