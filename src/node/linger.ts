/**
 * When a background node may end, and whether a node gives way to another.
 *
 *     used: calls > 0 or something holds it ──last one ends──▶ idle since T
 *        ▲                                                      │ T + linger
 *        └──────────────────── call begins ────────────────────┴──▶ out: end
 *
 * A call is one request to the local API, unless it only asks who runs: such a question comes before
 * the call that is meant, also where the node is to end after its last use at once. Holds are what
 * must not be cut: open streams, forwards, `--tun` interfaces; each has a name for people. Who was
 * handed a ticket is about to open a stream: the node waits for that. A foreground node never ends by
 * itself.
 *
 * Source of the rules: the design §2.
 *
 * @module
 */
import {
  after,
  BoundedMap,
  type Instant,
  type Machine,
  OmertaError,
  unreachable,
  type Wakeup,
} from "../base/mod.ts";

/** The least time before the first call: who started the node waits so long. Source: there. */
export const FIRST_CALL_MS = 10_000;

/** Most streams that are waited for at once: as many as calls may run. */
const EXPECTED_MAX = 256;

/** Most holds that are known by name; one more still counts as one of them. Guess. */
const HOLDS_MAX = 1024;

/** Whether a person started the node, or a command that needed one. */
export type NodeMode = "foreground" | "background";

/** What happens to a node. */
export type LingerIn =
  /** The number of API calls that run. */
  | { readonly type: "calls"; readonly running: number }
  /** How many streams are open on what `name` names, such as `VM abcd…`; 0: none any more. */
  | { readonly type: "hold"; readonly name: string; readonly open: number }
  /** A stream was promised, to be opened within `ms`: no node may end before. */
  | { readonly type: "expect"; readonly ms: number }
  | { readonly type: "wake" };

/** What a node must do. */
export type LingerOut = { readonly type: "end" };

/** How a node was started. */
export interface LingerOptions {
  readonly mode: NodeMode;
  /** Time from the last use to the end; at least 0. */
  readonly lingerMs: number;
  readonly now: Instant;
}

/** Says once when a background node may end. */
export class LingerMachine implements Machine<LingerIn, LingerOut> {
  readonly #mode: NodeMode;
  readonly #lingerMs: number;
  readonly #holds = new BoundedMap<string, number>(HOLDS_MAX, "refuse");
  /** Until when streams may be opened that were promised, the earliest first. */
  #expected: Instant[] = [];
  #calls = 0;
  #wasCalled = false;
  /** Set while nothing uses the node. */
  #idleSince: Instant | undefined;
  #hasEnded = false;

  constructor({ mode, lingerMs, now }: LingerOptions) {
    this.#mode = mode;
    this.#lingerMs = lingerMs;
    this.#idleSince = now;
  }

  handle(input: LingerIn, now: Instant, out: LingerOut[]): void {
    this.#take(input, now);
    this.#idleSince = this.#isUsed() ? undefined : this.#idleSince ?? now;
    const wakeup = this.wakeup();
    if (wakeup === undefined || now < wakeup.at) return;
    this.#hasEnded = true;
    out.push({ type: "end" });
  }

  wakeup(): Wakeup | undefined {
    if (this.#mode === "foreground" || this.#hasEnded) return undefined;
    if (this.#idleSince === undefined) return undefined;
    const wait = this.#wasCalled ? this.#lingerMs : Math.max(this.#lingerMs, FIRST_CALL_MS);
    const at = after(this.#idleSince, wait);
    const promised = this.#expected.at(-1) ?? at;
    return { at: promised > at ? promised : at, why: "the background node is idle" };
  }

  /** The names of what must not be cut, with the number of open streams where it is not one. */
  busy(): string[] {
    return [...this.#holds].map(([name, open]) => open === 1 ? name : `${name} (${open})`);
  }

  #take(input: LingerIn, now: Instant): void {
    this.#expected = this.#expected.filter((until) => until > now);
    switch (input.type) {
      case "calls":
        this.#calls = input.running;
        this.#wasCalled = true;
        return;
      case "hold":
        return this.#hold(input.name, input.open);
      case "expect":
        this.#expected = [...this.#expected, after(now, input.ms)].slice(-EXPECTED_MAX);
        return;
      case "wake":
        return;
      default:
        unreachable(input);
    }
  }

  #hold(name: string, open: number): void {
    if (open > (this.#holds.get(name) ?? 0)) this.#expected.shift(); // it came
    if (open > 0) this.#holds.set(name, open);
    else this.#holds.delete(name);
  }

  #isUsed(): boolean {
    return this.#calls > 0 || this.#holds.size > 0;
  }
}

/** What decides whether a node gives way. */
export interface YieldState {
  readonly mode: NodeMode;
  readonly pid: number;
  /** Absolute. */
  readonly state: string;
  /** What must not be cut: `LingerMachine.busy()`. */
  readonly busy: readonly string[];
}

/**
 * Whether a node must refuse to give way to another one: the error to answer with, or `undefined`
 * where it yields. A foreground node yields to nobody, a background node unless it is busy.
 */
export function yieldRefusal(
  node: YieldState,
  asked: { readonly by: "foreground" | "build" },
): OmertaError | undefined {
  const { mode, pid, state, busy } = node;
  if (mode === "foreground") {
    return new OmertaError("node-running", `Node ${pid} runs on the state ${state}`, {
      hint: `End it with 'omerta mesh stop --state ${state}', or use another --state.`,
      fields: { pid, state },
    });
  }
  if (busy.length === 0) return undefined;
  const other = asked.by === "build" ? "of another build " : "";
  return new OmertaError(
    "node-busy",
    `The background node ${pid} ${other}on ${state} has open streams: ${busy.join(", ")}`,
    {
      hint: `Close them, or end it all with 'omerta mesh stop --state ${state}'.`,
      fields: { pid, state, streams: busy },
    },
  );
}
