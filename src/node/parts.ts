/**
 * The host of parts: what stands between machines that know nobody and the node around them.
 *
 * ```text
 *   a member's call ──▶ parsed ──▶ asked ──▶ ┌──────┐ ──▶ ask ──▶ bytes ──▶ a call of ours
 *   its bytes ◀── reply ◀─────────────────── │ part │ ◀── answered ◀── parsed ◀── its end
 *   sessions ──▶ peer-up, -moved, -down ───▶ └──────┘ ──▶ dial ──▶ connects ──▶ dialed, dial-failed
 * ```
 *
 * What a part is told waits in one queue until the node has done its own share of the turn, so that no
 * part is entered twice at once and what caused something is over before its consequence begins.
 *
 * @module
 */
import {
  type Answered,
  type Ask,
  BoundedMap,
  type Dial,
  type Dialed,
  earlier,
  type Keep,
  type Machine,
  type Part,
  type PartOut,
  type PeerChange,
  type PeerKey,
  type Reply,
  type SessionKind,
  type Tell,
  type Wakeup,
} from "../base/mod.ts";
import type { RpcIn, RpcOut, RpcResult } from "../rpc/mod.ts";
import type { ConnectEnd } from "./connects.ts";
import { type DialGround, Dials } from "./dials.ts";
import {
  BODY_BYTES_MAX,
  type CallName,
  type Calls,
  encodeBody,
  encodeRefusal,
  isCallName,
  parseAnswer,
  parseQuestion,
  parseRefusal,
  type Refusal,
} from "./protocol/mod.ts";
import type { Moment } from "./moment.ts";

/** Questions that parts have not replied to; the oldest gives way. Source: what `rpc` remembers. */
const ASKED_MAX = 32_768;

type All = Calls<CallName>;
/** Whatever a part says besides what every part may say. */
interface OwnOutput {
  readonly type: "own";
}
/** A part whose own inputs and outputs are not known here. */
type AnyPart = Machine<unknown, PartOut<All, All> | OwnOutput>;

/** A part and its place. */
export interface Mounting<In, Out, Made extends CallName, Served extends CallName, Turn> {
  /** By which its facts are kept and its events told. */
  readonly name: string;
  readonly part: Part<In, Out, Calls<Made>, Calls<Served>>;
  /** The calls of members that it answers. */
  readonly serves: readonly Served[];
  /** What becomes of its own outputs. */
  onOutput(output: Out, turn: Turn): void;
}

/** A part in its place. */
export interface Mounted<In> {
  /** Tells the part something in this turn, after all that it was told before. */
  input(input: In): void;
}

/** What the node does for parts. */
export interface PartGround<Turn> extends Pick<DialGround<never, Turn>, "admits" | "cancel"> {
  /** Whether there is a member's session with the peer. */
  isConnected(peer: PeerKey): boolean;
  /** A call of ours ends in `done` with the same token. */
  rpc(input: Extract<RpcIn, { type: "call" | "answer" }>, turn: Turn): void;
  /** Ends in `connectEnded` with the same token. */
  connect: DialGround<never, Turn>["connect"];
  /** Out of the node. */
  say(output: PartSaid, turn: Turn): void;
}

/** What parts say to the host; `part` is the name of the one that says it. */
export type PartSaid =
  | (Keep & { readonly part: string })
  | (Tell & { readonly part: string })
  /** Names `HOST:PORT` that a part wants to meet: expects `resolved`. */
  | { readonly type: "resolve"; readonly token: number; readonly names: readonly string[] };

interface Mount<Turn> {
  readonly name: string;
  readonly part: AnyPart;
  onOutput(output: unknown, turn: Turn): void;
}

interface Asking<Turn> {
  readonly mount: Mount<Turn>;
  readonly ask: Ask<All>;
}

/** Where an answer goes. */
interface Waiting {
  readonly peer: PeerKey;
  readonly kind: SessionKind;
  readonly call: string;
  readonly name: CallName;
}

/** The parts of a node. */
export class PartHost<Turn extends Moment> {
  readonly #ground: PartGround<Turn>;
  readonly #mounts: Mount<Turn>[] = [];
  readonly #servers = new Map<string, Mount<Turn>>();
  /** Calls of parts under way, by our token; `rpc` bounds them, and ends each. */
  readonly #asks = new Map<number, Asking<Turn>>();
  readonly #asked = new BoundedMap<number, Waiting>(ASKED_MAX, "evict-oldest");
  readonly #dials: Dials<Mount<Turn>, Turn>;
  readonly #queue: (readonly [Mount<Turn>, unknown])[] = [];
  /** The host's tokens are positive, ours negative. */
  #lastToken = 0;
  #lastAsked = 0;

  constructor(ground: PartGround<Turn>) {
    this.#ground = ground;
    this.#dials = new Dials({
      nextToken: () => --this.#lastToken,
      admits: (path, named) => ground.admits(path, named),
      connect: (connect, turn) => ground.connect(connect, turn),
      cancel: (token) => ground.cancel(token),
      resolve: (token, names, turn) => ground.say({ type: "resolve", token, names }, turn),
      tell: (mount, dialed: Dialed) => this.#queue.push([mount, dialed]),
    });
  }

  /** Puts a part in its place, before anything happens. */
  mount<In, Out, Made extends CallName = never, Served extends CallName = never>(
    { name, part, serves, onOutput }: Mounting<In, Out, Made, Served, Turn>,
  ): Mounted<In> {
    const mount: Mount<Turn> = {
      name,
      part: part as unknown as AnyPart, // its calls were checked: `Mounting`
      onOutput: (output, turn) => onOutput(output as Out, turn),
    };
    this.#mounts.push(mount);
    for (const call of serves) this.#servers.set(call, mount);
    return { input: (input) => void this.#queue.push([mount, input]) };
  }

  /** Whether a part answers members' calls of that name. */
  serves(name: string): boolean {
    return this.#servers.has(name);
  }

  /** Tells all parts what became of a peer. */
  peer(change: PeerChange): void {
    for (const mount of this.#mounts) this.#queue.push([mount, change]);
  }

  /** How members are met in a network. */
  get networks(): Pick<Dials<Mount<Turn>, Turn>, "network" | "networkGone"> {
    return this.#dials;
  }

  /** A member asks what a part serves. */
  request(request: Extract<RpcOut, { type: "request" }>, turn: Turn): void {
    const { peer, kind, call, method, body } = request;
    const mount = this.#servers.get(method);
    if (mount === undefined || !isCallName(method)) return;
    const waiting = { peer, kind, call, name: method };
    const question = parseQuestion(method, body);
    if (!question.ok) return this.#refuse(waiting, MALFORMED, turn);
    const number = ++this.#lastAsked;
    this.#asked.set(number, waiting);
    const asked = { type: "asked", call: number, from: peer, name: method };
    this.#queue.push([mount, { ...asked, question: question.value }]);
  }

  /** A call that a part made has ended. */
  done(token: number, result: RpcResult): void {
    const asking = this.#asks.get(token);
    if (asking === undefined) return;
    this.#asks.delete(token);
    this.#answered(asking, resultOf(asking.ask.name, result));
  }

  /** A connect that a part caused has ended. */
  connectEnded(token: number, end: ConnectEnd): void {
    this.#dials.ended(token, end);
  }

  /** The addresses of the names in `resolve`, in their order. */
  resolved(token: number, addresses: readonly (readonly string[])[], turn: Turn): void {
    this.#dials.resolved(token, addresses, turn);
  }

  /** Does what is due. */
  wake(turn: Turn): void {
    this.#dials.wake(turn);
    for (const mount of this.#mounts) {
      const at = mount.part.wakeup()?.at;
      if (at !== undefined && at <= turn.now) this.#queue.push([mount, { type: "wake" }]);
    }
  }

  wakeup(): Wakeup | undefined {
    return this.#mounts.reduce(
      (next, { part }) => earlier(next, part.wakeup()),
      this.#dials.wakeup(),
    );
  }

  /** Lets the parts do what they were told, until nobody has anything to do. */
  run(turn: Turn): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const [mount, input] = next;
      const out: (PartOut<All, All> | OwnOutput)[] = [];
      mount.part.handle(input, turn.now, out);
      for (const output of out) this.#perform(mount, output, turn);
    }
  }

  #perform(mount: Mount<Turn>, output: PartOut<All, All> | OwnOutput, turn: Turn): void {
    switch (output.type) {
      case "ask":
        return this.#ask({ mount, ask: output }, turn);
      case "reply":
        return this.#reply(output, turn);
      case "dial":
        return this.#dials.begin(mount, output satisfies Dial, turn);
      case "undial":
        return this.#dials.undial(mount, output.token);
      case "keep":
      case "tell":
        return this.#ground.say({ ...output, part: mount.name }, turn);
      default:
        return mount.onOutput(output, turn);
    }
  }

  #ask(asking: Asking<Turn>, turn: Turn): void {
    const { peer, name, question, timeoutMs } = asking.ask;
    if (!this.#ground.isConnected(peer)) {
      return this.#answered(asking, { ok: false, failed: "gone" });
    }
    const body = encodeBody(question);
    if (body.length > BODY_BYTES_MAX) {
      return this.#answered(asking, { ok: false, failed: "malformed" });
    }
    const token = --this.#lastToken;
    this.#asks.set(token, asking);
    this.#ground.rpc({ type: "call", token, peer, method: name, body, timeoutMs }, turn);
  }

  #answered({ mount, ask }: Asking<Turn>, result: Answered<All>["result"]): void {
    const { token, peer, name } = ask;
    this.#queue.push([mount, { type: "answered", token, peer, name, result }]);
  }

  #reply(reply: Reply<All>, turn: Turn): void {
    const waiting = this.#asked.get(reply.call);
    if (waiting === undefined) return; // It was answered, or gave way.
    this.#asked.delete(reply.call);
    if (!reply.ok) return this.#refuse(waiting, reply.refused, turn);
    const body = encodeBody(reply.answer);
    if (body.length > BODY_BYTES_MAX) return this.#refuse(waiting, TOO_LONG, turn);
    const { peer, kind, call } = waiting;
    this.#ground.rpc({ type: "answer", peer, kind, call, ok: true, body }, turn);
  }

  #refuse({ peer, kind, call }: Waiting, refusal: Refusal, turn: Turn): void {
    const body = encodeRefusal(refusal);
    this.#ground.rpc({ type: "answer", peer, kind, call, ok: false, body }, turn);
  }
}

const MALFORMED: Refusal = { code: "refused", message: "The question is malformed" };
const TOO_LONG: Refusal = { code: "internal", message: "The peer met a defect of its own" };

function resultOf(name: CallName, result: RpcResult): Answered<All>["result"] {
  if (result.ok) {
    const answer = parseAnswer(name, result.body);
    if (!answer.ok) return { ok: false, failed: "malformed" };
    return { ok: true, answer: answer.value } as Answered<All>["result"];
  }
  if (result.reason !== "refused") return { ok: false, failed: result.reason };
  return { ok: false, refused: parseRefusal(result.body) };
}
