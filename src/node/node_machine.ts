/**
 * The node: sessions, calls, paths and parts composed into one machine. It knows no clock and no
 * socket, so the simulator and the daemon run the same code.
 *
 * ```text
 *  datagram ─▶ sessions ─┬─ ping, pong ─▶ paths ─▶ routes, moved, lost
 *                        └─ piece, ack ─▶ calls ─┬─▶ parts, each for the calls that it serves
 *                                                └─▶ request, called: the host
 *  transmit ◀─ sessions ◀── paths and calls: whatever they send goes inside the peer's session
 * ```
 *
 * It routes and decides nothing: what the node does by itself is a part's, mounted in `PartHost`. It
 * answers `ping`; a call that no part serves is the host's.
 *
 * @module
 */
import {
  BoundedMap,
  earlier,
  type Instant,
  type Machine,
  type NodeId,
  type Path,
  type PeerKey,
  type SessionKind,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";
import { Gate, type PathIn, PathMachine, type PathOut, PING, PONG } from "../path/mod.ts";
import { type SessionIn, SessionMachine, type SessionOut } from "../session/mod.ts";
import { isRelayed, MESSAGE } from "../wire/mod.ts";
import { RPC_RESEND_MS, type RpcIn, RpcMachine, type RpcOut } from "../rpc/mod.ts";
import { CallBudget } from "./call_budget.ts";
import { ComposedParts } from "./compose.ts";
import { type ConnectEnd, Connects } from "./connects.ts";
import { OwnAddresses } from "./own_addresses.ts";
import { PartHost } from "./parts.ts";
import { encodeBody, encodeRefusal, isCallName } from "./protocol/mod.ts";
import { Turn } from "./turn.ts";
import type { Granted, NodeIn, NodeOptions, NodeOut } from "./types.ts";
import { NodeView } from "./views.ts";

/**
 * A path on which nothing was heard for so long is asked when a call is sent, or sent again. Guess:
 * the third sending of what is not acknowledged.
 */
const STALE_MS = 250;
/** Invite sessions whose path is known; the oldest gives way. Guess. */
const INVITE_PATHS_MAX = 1_024;
/** First wait for an acknowledgement of a call's piece, in round trips. Guess: some for variation. */
const RESEND_RTTS = 1.5;

/** The machine of a whole node. */
export class NodeMachine<Member extends Granted> implements Machine<NodeIn, NodeOut<Member>> {
  /** What is known of peers and of ourselves. */
  readonly view: NodeView<Member>;
  readonly #self: NodeId;
  readonly #sessions: SessionMachine<Member>;
  readonly #calls: RpcMachine;
  readonly #paths: PathMachine;
  readonly #own = new OwnAddresses();
  readonly #budget = new CallBudget();
  readonly #connects: Connects<Turn<Member>>;
  /** The proven path of each invite session: those have no path machine. */
  readonly #invitePaths = new BoundedMap<PeerKey, Path>(INVITE_PATHS_MAX, "evict-oldest");
  readonly #direct: boolean;
  readonly #gate: Gate;
  readonly #parts: PartHost<Turn<Member>>;
  readonly #composed: ComposedParts<Turn<Member>>;

  constructor(options: NodeOptions<Member>) {
    this.#direct = options.direct ?? true;
    this.#gate = new Gate(this.#direct);
    this.#self = options.identity.id;
    this.#sessions = new SessionMachine(options);
    const resendMs = (peer: PeerKey, kind: SessionKind) => this.#resendMs(peer, kind);
    this.#calls = new RpcMachine({ random: options.random, resendMs });
    this.#paths = new PathMachine(options.random, this.#gate);
    this.#connects = this.#connecting();
    this.#parts = this.#host();
    this.#composed = this.#compose(options);
    this.view = new NodeView({
      sessions: this.#sessions,
      paths: this.#paths,
      own: this.#own,
      gate: this.#gate,
      relays: this.#composed.relays,
      records: this.#composed.records,
    });
  }

  handle(input: NodeIn, now: Instant, out: NodeOut<Member>[]): void {
    const begin = out.length;
    const turn = new Turn<Member>(now, out);
    this.#handle(input, turn);
    this.#parts.run(turn);
    const receivers = this.#sessions.takeReceivers();
    if (receivers === undefined) return;
    out.splice(begin, 0, { type: "receivers", ...receivers }); // before what may be answered
  }

  #handle(input: NodeIn, turn: Turn<Member>): void {
    switch (input.type) {
      case "datagram":
        return this.#session({ type: "datagram", path: input.path, bytes: input.bytes }, turn);
      case "connect":
        return this.#connects.begin(input, turn);
      case "disconnect":
        return this.#session({ type: "close", peer: input.peer, kind: input.kind }, turn);
      case "call":
        return this.#call({ ...input, method: input.name }, turn);
      case "cancel":
        this.#connects.cancel(input.token);
        return this.#call(input, turn);
      case "answer":
        return this.#call(input, turn);
      case "local":
        return this.#onLocal(input, turn);
      case "keys":
        return this.#session(input, turn);
      case "add-path":
      case "path-doubt":
      case "path-dead":
        return this.#path(input, turn);
      case "wake":
        return this.#wake(turn);
      default:
        return this.#composed.input(input, turn);
    }
  }

  wakeup(): Wakeup | undefined {
    return earlier(
      this.#paths.wakeup(),
      earlier(this.#parts.wakeup(), earlier(this.#sessions.wakeup(), this.#calls.wakeup())),
    );
  }

  #wake(turn: Turn<Member>): void {
    this.#session({ type: "wake" }, turn);
    this.#call({ type: "wake" }, turn);
    this.#path({ type: "wake" }, turn);
    this.#parts.wake(turn);
  }

  #onLocal(input: Extract<NodeIn, { type: "local" }>, turn: Turn<Member>): void {
    this.#gate.local = input.local;
    if (!this.#own.set(input.local, input.advertised)) return;
    this.#path({ type: "network-changed" }, turn);
  }

  // Parts ------------------------------------------------------------------------------------

  #host(): PartHost<Turn<Member>> {
    return new PartHost<Turn<Member>>({
      isConnected: (peer) => this.view.isConnected(peer),
      admits: (path, named) => this.view.mayOpen(path, named),
      rpc: (input, turn) => this.#call(input, turn),
      connect: (connect, turn) => this.#connects.begin(connect, turn),
      cancel: (token) => this.#connects.cancel(token),
      say: (output, turn) => void turn.out.push(output),
    });
  }

  #compose(options: NodeOptions<Member>): ComposedParts<Turn<Member>> {
    const [own, paths] = [this.#own, this.#paths];
    return new ComposedParts(this.#parts, {
      own,
      paths,
      path: (input, turn) => this.#path(input, turn),
      say: (output, turn) => void turn.out.push(output),
    }, options);
  }

  // Connecting -------------------------------------------------------------------------------

  #connecting(): Connects<Turn<Member>> {
    return new Connects<Turn<Member>>({
      gate: this.#gate,
      hasLoopback: () => this.#paths.hasLoopback(),
      begin: (input, turn) => this.#session(input, turn),
      ended: (token, end, turn) => this.#connectEnded(token, end, turn),
    });
  }

  /** The host's tokens are positive, those of parts negative. */
  #connectEnded(token: number, end: ConnectEnd, turn: Turn<Member>): void {
    if (token < 0) return this.#parts.connectEnded(token, end);
    turn.out.push(
      end.ok
        ? { type: "connected", token, peer: end.peer }
        : { type: "connect-failed", token, reason: end.reason, detail: end.detail },
    );
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
        return this.#connects.failed(output, turn);
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
    const opening = opens && { bytes: bytes.length, message: opens };
    if (opening && !this.#connects.mayKnock(path, opening, turn.now)) return;
    turn.out.push({ type: "transmit", path, bytes, ttl });
  }

  #onEstablished(
    up: Extract<SessionOut<Member>, { type: "established" }>,
    turn: Turn<Member>,
  ): void {
    const { peer, kind, member, path, initiator, renewed, proven } = up;
    if (proven) this.#gate.answered(path, turn.now);
    const punch = this.#direct && this.#self < up.node;
    if (kind === "epoch") {
      this.view.noteUp(peer, member, path);
      this.#parts.peer({ type: "peer-up", peer, grants: member.grants, renewed });
      this.#path({ type: "peer-up", peer, path, proven, punch }, turn);
      this.#composed.enforce(peer, turn);
    } else if (proven) this.#invitePaths.set(peer, path);
    turn.out.push({ type: "peer-up", peer, kind, member, path, initiator, renewed });
    this.#connects.established(up, turn);
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
    if (kind === "epoch") {
      this.view.noteDown(peer, turn.now);
      this.#parts.peer({ type: "peer-down", peer, reason: why });
    }
    turn.out.push({ type: "peer-down", peer, kind, reason: why, detail: detail ?? null });
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
        if (output.token < 0) return this.#parts.done(output.token, output.result);
        turn.out.push({ type: "called", token: output.token, result: output.result });
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
    const rttMs = kind === "epoch" ? this.view.rttMs(peer) : null;
    return Math.max(RPC_RESEND_MS, RESEND_RTTS * (rttMs ?? 0));
  }

  #onRequest(request: Extract<RpcOut, { type: "request" }>, turn: Turn<Member>): void {
    const { peer, kind, call, method, body } = request;
    if (isCallName(method) && !this.#budget.take(peer, method, turn.now)) {
      return this.#call({ type: "answer", peer, kind, call, ok: false, body: TOO_OFTEN }, turn);
    }
    if (kind === "epoch" && method === "ping") {
      return this.#call({ type: "answer", peer, kind, call, ok: true, body: encodeBody({}) }, turn);
    }
    if (kind === "epoch" && this.#parts.serves(method)) return this.#parts.request(request, turn);
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
        this.#parts.peer({ type: "peer-moved", peer: output.peer, path: output.to });
        if (output.to === null) return;
        return this.#session({ type: "moved", peer: output.peer, path: output.to }, turn);
      case "observed":
        return this.#onObserved(output, turn);
      case "offer-candidates":
        return this.#composed.offer(output.peer);
      case "lost":
        turn.lost.add(output.peer);
        return this.#session({ type: "close", peer: output.peer, kind: "epoch" }, turn);
      default:
        unreachable(output);
    }
  }

  /** A call goes out on a path that has been quiet: a ping tells whether the peer is still there. */
  #askStalePath(peer: PeerKey, turn: Turn<Member>): void {
    const path = this.#paths.active(peer);
    if (path === null || (this.#paths.heardMsAgo(peer, turn.now) ?? 0) < STALE_MS) return;
    this.#path({ type: "path-doubt", peer, path }, turn);
  }

  #onObserved(
    { peer, path, address }: Extract<PathOut, { type: "observed" }>,
    turn: Turn<Member>,
  ): void {
    if (!this.#own.note(peer, { path, address }, turn.now)) return;
    turn.out.push({ type: "endpoints", addresses: this.#own.observed(turn.now) });
  }

  /** Whether a path is direct where peers behind a relay are to stay there. */
  #isUnwanted(peer: PeerKey, path: Path): boolean {
    const active = this.#paths.active(peer);
    return !this.#direct && active !== null && isRelayed(active) && !isRelayed(path);
  }
}

/** The body of a refusal of who has spent all. */
const TOO_OFTEN = encodeRefusal({ code: "refused", message: "You ask too often: wait a moment" });
