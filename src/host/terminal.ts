/**
 * What surrounds a command: the standard streams and whether people are at their other ends, the
 * environment, the user's files, signals, and other programs. The command line gets it as a value,
 * so that tests hand it another.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";

/** A signal that ends a command. */
export type EndSignal = "SIGINT" | "SIGTERM";

/** How a child process ended: its status, or 128 + the number of the signal that killed it. */
export interface ChildEnd {
  readonly status: number;
}

/** A child process that has this process's standard streams. */
export interface Child {
  readonly ended: Promise<ChildEnd>;
  /** Passes a signal on; does nothing once the child has ended. */
  kill(signal: EndSignal): void;
}

/** What this program runs on. */
export interface Platform {
  readonly os: string;
  readonly arch: string;
  readonly deno: string;
}

/** What surrounds a command. */
export interface Terminal {
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** User id; `null` where the system has none. */
  readonly uid: number | null;
  /** The argument list that starts this program again, from any directory: all paths absolute. */
  readonly program: readonly string[];
  readonly platform: Platform;
  /** Milliseconds since 1970. */
  now(): number;
  /** Width of the terminal at stderr in characters; 80 where there is none. */
  columns(): number;
  /**
   * Writes all of `text` to stdout. Nothing happens where nobody reads it any more.
   *
   * @throws {OmertaError} `disk-full`; `unsupported` where the stream cannot be written to.
   */
  write(text: string): void;
  /** Writes `text` to stderr, as much as that takes: there is nowhere else to complain. */
  writeError(text: string): void;
  /**
   * All of stdin as text.
   *
   * @param signal Ends the wait: what was typed so far is lost, its reason is thrown.
   * @throws {OmertaError} `usage` beyond `bytesMax`.
   */
  readInput(bytesMax: number, signal: AbortSignal): Promise<string>;
  /** A file of the user's as text. @throws {OmertaError} `usage` where it cannot be read whole. */
  readFile(path: string, bytesMax: number): Promise<string>;
  /** Whether there is something at `path`. */
  exists(path: string): Promise<boolean>;
  /** `path` seen from the working directory, made absolute. */
  absolute(path: string): string;
  /** The absolute path of a program on PATH, or `undefined`. */
  findProgram(name: string): Promise<string | undefined>;
  /** Starts a program with our streams; `without` names variables that it must not inherit. */
  start(command: readonly string[], without: readonly string[]): Child;
  /** Calls `handler` at each end signal, which then does not kill us; returns what undoes that. */
  onSignals(handler: (signal: EndSignal) => void): () => void;
}

const END_SIGNALS: readonly EndSignal[] = ["SIGINT", "SIGTERM"];

/** Signal numbers as shells report them. Source: signal(7), the same on every Linux and macOS. */
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGPIPE: 13,
  SIGTERM: 15,
};

/**
 * The surroundings of this process.
 *
 * @param main URL of the program's main module: how it is started again from source.
 */
export function systemTerminal(main: string): Terminal {
  return {
    stdinIsTerminal: Deno.stdin.isTerminal(),
    stdoutIsTerminal: Deno.stdout.isTerminal(),
    stderrIsTerminal: Deno.stderr.isTerminal(),
    env: Deno.env.toObject(),
    uid: Deno.uid(),
    program: programArguments(main),
    platform: { os: Deno.build.os, arch: Deno.build.arch, deno: Deno.version.deno },
    now: () => Date.now(),
    columns,
    write,
    writeError,
    readInput,
    readFile: (path, bytesMax) => readUserFile(path, bytesMax),
    exists,
    absolute: (path) => path.startsWith("/") ? path : `${Deno.cwd()}/${path}`,
    findProgram,
    start,
    onSignals,
  };
}

/**
 * The argument list that starts this program again, from any directory. From source: Deno with the
 * project's settings, whatever the working directory holds.
 *
 * @param main URL of the program's main module; default: that of this process.
 */
export function programArguments(main: string = Deno.mainModule): readonly string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  const path = decodeURIComponent(new URL(main).pathname);
  const config = path.replace(/[^/]*$/, "deno.json");
  return [Deno.execPath(), "run", "-q", "-A", "--no-prompt", "--config", config, path];
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80; // no terminal at any stream
  }
}

function write(text: string): void {
  try {
    writeAll(Deno.stdout, text);
  } catch (cause) {
    const isFull = (cause as { code?: unknown } | null)?.code === "ENOSPC";
    const reason = isFull ? "no space is left there" : String(cause);
    throw new OmertaError(
      isFull ? "disk-full" : "unsupported",
      `Cannot write to stdout: ${reason}`,
      {
        cause,
        hint: "Send it elsewhere; what the command did is done.",
      },
    );
  }
}

function writeError(text: string): void {
  try {
    writeAll(Deno.stderr, text);
  } catch {
    // the exit status is all that is left to say it
  }
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let rest: Uint8Array = new TextEncoder().encode(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(stream.writeSync(rest));
    } catch (error) {
      // The reader left, as `head` does: there is nobody to tell.
      if (error instanceof Deno.errors.BrokenPipe) return;
      // Another program made the pipe non-blocking, and its reader is slow.
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      pauseThread(FULL_PIPE_MS);
    }
  }
}

/** How long to wait for room in a pipe. Guess: short beside what reads it. */
const FULL_PIPE_MS = 2;

function pauseThread(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** A read of a terminal cannot be taken back: it is left behind, and ends with the process. */
async function readInput(bytesMax: number, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([readBounded(Deno.stdin.readable, "stdin", bytesMax), aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function readUserFile(path: string, bytesMax: number): Promise<string> {
  try {
    using file = await Deno.open(path, { read: true });
    // A directory opens and then fails to be read; a pipe (`<(…)`) is as good as a file.
    return await readBounded(file.readable, path, bytesMax);
  } catch (cause) {
    if (cause instanceof OmertaError) throw cause;
    const reason = cause instanceof Deno.errors.NotFound ? "it is not there" : String(cause);
    throw new OmertaError("usage", `Cannot read the file ${path}: ${reason}`, { cause });
  }
}

async function readBounded(
  stream: ReadableStream<Uint8Array>,
  name: string,
  bytesMax: number,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of stream) {
    bytes += piece.length;
    if (bytes > bytesMax) {
      throw new OmertaError("usage", `Cannot use ${name}: it holds more than ${bytesMax} bytes`);
    }
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false; // whatever the reason, we cannot use it
  }
}

async function findProgram(name: string): Promise<string | undefined> {
  return (await import("./system.ts")).findExecutable(name);
}

function start(command: readonly string[], without: readonly string[]): Child {
  const [program = "", ...args] = command;
  const env = Deno.env.toObject();
  for (const name of without) delete env[name];
  const streams = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;
  const child = new Deno.Command(program, { args, env, clearEnv: true, ...streams }).spawn();
  return {
    ended: child.status.then(({ code, signal }) => ({
      status: signal === null ? code : 128 + (SIGNAL_NUMBERS[signal] ?? 0),
    })),
    kill: (signal) => killQuietly(child, signal),
  };
}

function killQuietly(child: Deno.ChildProcess, signal: EndSignal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // It has ended: what the signal was to achieve.
    if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function onSignals(handler: (signal: EndSignal) => void): () => void {
  const undo = END_SIGNALS.map((signal) => {
    const listener = () => handler(signal);
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return () => undo.forEach((remove) => remove());
}
