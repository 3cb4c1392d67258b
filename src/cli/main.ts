/**
 * From argv to an exit status: understands the line, opens the ways out, runs the command under its
 * time limit and the end signals, and says why it failed.
 *
 *     running ──done──▶ its status
 *        │ └─throws──▶ sentence, hint, document ▶ the error's status
 *        ├─SIGINT, SIGTERM──▶ abort ──ended, or a second signal, or too slow──▶ 130, 143
 *        │      └─of a node that was ready──▶ abort ──its farewells are said──▶ 0
 *        └─--timeout──▶ abort ──ended, or too slow──▶ 7
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";
import { formatDuration } from "../base/units.ts";
import type { ApiMethods, MethodName } from "../api/nouns/mod.ts";
import type { EndSignal, Terminal } from "../host/terminal.ts";
import type { Command } from "./command.ts";
import { fail, Interrupted } from "./failure.ts";
import { type Globals, ownWords, settle, wantsJson } from "./globals.ts";
import { type ParsedLine, parseLine, type Route, setApart, sight } from "./grammar.ts";
import type { Invocation } from "./invocation.ts";
import type { NodeAccess } from "./node_access.ts";
import { NOUNS } from "./nouns.ts";
import { Output } from "./output.ts";
import { type Asking, readPasted } from "./pasted.ts";
import { blankCaller } from "./blank_state.ts";
import { invite as parseInvite, must, pastedInvite } from "./values.ts";

/** What the command line is put into. */
export interface Surroundings {
  /** Streams, environment, signals. */
  readonly terminal: Terminal;
  /** The node of the state that `--state` names; `null`: the environment or the default says. */
  openNode(state: string | null): Promise<NodeAccess>;
}

/**
 * How long an aborted command may take to end, most of a person's second. What it had begun the node
 * undoes, which hears of the end at once and does not need the command for it.
 */
const GRACE_MS = 700;

/** Runs one command line; resolves with its exit status and never rejects. */
export async function main(
  written: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings;
  const argv = setApart(written);
  const verbose = ownWords(argv).includes("--verbose");
  const choice = { json: wantsJson(argv), quiet: false, verbose };
  const early = new Output(terminal, choice);
  try {
    const line = await understand(argv, terminal);
    const out = new Output(terminal, line.globals);
    return await runLine(line, out, surroundings).catch((error) => fail(out, error));
  } catch (error) {
    return fail(early, error);
  }
}

/** A command line, settled. */
interface Line extends Omit<ParsedLine, "globals"> {
  readonly command: Command;
  readonly name: string;
  readonly globals: Globals;
}

async function understand(argv: readonly string[], terminal: Terminal): Promise<Line> {
  const route = routeOf(argv);
  const { noun, verb } = route;
  const command = (await NOUNS[noun]?.load())?.[verb];
  if (command === undefined) throw new TypeError(`Cannot find the command ${noun} ${verb}`);
  const words = verb === "" ? [noun] : [noun, verb];
  const parsed = parseLine(command, words.join(" "), route.words);
  const globals = settle(parsed.globals, terminal.env);
  return { ...parsed, command, name: words.join("."), globals };
}

function routeOf(argv: readonly string[]): Route {
  const seen = sight(argv);
  if (seen.type === "command") return seen.route;
  const topic = [seen.noun, seen.verb].filter((word) => word !== null);
  return { noun: "help", verb: "", words: wantsJson(argv) ? [...topic, "--json"] : topic };
}

async function runLine(line: Line, out: Output, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings;
  const guard = new Guard(line, out, terminal);
  try {
    const status = await guard.watch(perform(line, out, { ...surroundings, signal: guard.signal }));
    return status ?? 0;
  } finally {
    guard.close();
    out.clearProgress();
  }
}

async function perform(
  line: Line,
  out: Output,
  { terminal, openNode, signal }: Surroundings & { signal: AbortSignal },
): Promise<number | void> {
  const { command, name, words, rest, flags } = line;
  const help = async () => {
    const { errorsHelp, overview, topicHelp } = await import("./help_text.ts");
    return { errorsHelp, overview, topicHelp };
  };
  const facts = { name, words, rest, flags, globals: line.globals, terminal, out, signal, help };
  if (command.node === "none") return await command.run({ ...facts, ...noNode(), invite: null });
  const node = await openNode(line.globals.state);
  const invite = await readInvite(line, { terminal, out, signal });
  const isBlank = command.node === "started" && command.makesState !== true && invite === null &&
    !await node.exists();
  const call = isBlank ? blankCaller(node.state, out) : caller(command, { node, out, signal });
  const joined = invite !== null && joinsFirst(command)
    ? (await call("network.join", { invite })).network.id
    : null;
  const globals = { ...line.globals, network: line.globals.network ?? joined };
  return await command.run({ ...facts, globals, node, call, invite });
}

/** What a command without need of a node has in its place. */
function noNode(): Pick<Invocation<unknown>, "node" | "call"> {
  const refuse = () => {
    throw new TypeError("Cannot use a node: the command's entry says that it needs none");
  };
  const handler = { get: refuse };
  return { node: new Proxy({} as NodeAccess, handler), call: () => Promise.reject(refuse()) };
}

/** Whether an invite is redeemed before the command, not by it. */
function joinsFirst(command: Command): boolean {
  return command.node !== "itself" && command.ownInvite !== true;
}

async function readInvite(
  { command, globals }: Line,
  asking: Asking,
): Promise<string | null> {
  if (command.ignoresInvite === true || globals.join === null) return null;
  if (globals.join !== "-") return must("the invite", parseInvite(globals.join));
  return must("the invite on stdin", pastedInvite(await readPasted(asking)));
}

interface Calling {
  readonly node: NodeAccess;
  readonly out: Output;
  readonly signal: AbortSignal;
}

/** Calls methods as the command's entry in the table permits. */
function caller(
  command: Command,
  { node, out, signal }: Calling,
): Invocation<unknown>["call"] {
  const start = command.node === "started";
  return async <M extends MethodName>(
    method: M,
    input: ApiMethods[M]["input"],
    onItem?: (item: ApiMethods[M]["item"]) => void,
  ) => {
    const onProgress = (text: string) => out.progress(text);
    const hooks = { signal, onProgress, ...(onItem === undefined ? {} : { onItem }) };
    const result = await node.call(method, input, { ...hooks, start });
    out.clearProgress();
    return result;
  };
}

/** Ends a command at a signal or when its time is over. */
class Guard {
  readonly #isNode: boolean;
  readonly #out: Output;
  readonly #aborter = new AbortController();
  readonly #abandoned = Promise.withResolvers<void>();
  readonly #unlisten: () => void;
  readonly #timeout: ReturnType<typeof setTimeout> | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;
  /** Whether what ends is a node that had said that it is ready: it has done what it should. */
  #isFarewell = false;

  constructor({ command, globals: { timeoutMs } }: Line, out: Output, terminal: Terminal) {
    this.#isNode = command.node === "itself";
    this.#out = out;
    this.#unlisten = terminal.onSignals((signal) => this.#onSignal(signal));
    if (timeoutMs === null) return;
    this.#timeout = setTimeout(() => this.#abort(tooLate(timeoutMs, out.doing)), timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** What the command comes to, unless it was aborted: then why. */
  async watch(command: Promise<number | void>): Promise<number | void> {
    // A command that is left behind may still fail: nobody asks it any more.
    command.catch(() => {});
    let status: number | void = undefined;
    try {
      status = await Promise.race([command, this.#abandoned.promise]);
    } catch (error) {
      const isOwn = this.#isFarewell && error !== this.signal.reason;
      if (!this.signal.aborted || isOwn) throw error;
    }
    const isDone = this.#isFarewell && this.signal.reason instanceof Interrupted;
    if (this.signal.aborted && !isDone) throw this.signal.reason;
    return status;
  }

  close(): void {
    this.#unlisten();
    clearTimeout(this.#timeout);
    clearTimeout(this.#grace);
  }

  #onSignal(signal: EndSignal): void {
    if (this.signal.aborted) this.#abandon();
    else this.#abort(new Interrupted(signal));
  }

  #abort(reason: Error): void {
    this.#isFarewell = this.#isNode && this.#out.documents > 0;
    this.#aborter.abort(reason);
    // Its own limits end a node's farewells.
    if (!this.#isFarewell) this.#grace = setTimeout(() => this.#abandon(), GRACE_MS);
  }

  #abandon(): void {
    this.#isFarewell = false;
    this.#abandoned.resolve();
  }
}

/** That the time is over, and what was going on. */
function tooLate(timeoutMs: number, doing: string | null): OmertaError {
  const what = doing === null ? "" : ` (${doing})`;
  return new OmertaError("timeout", `Gave up after ${formatDuration(timeoutMs)}${what}`, {
    hint: "Give it longer with --timeout.",
  });
}
