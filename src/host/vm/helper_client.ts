/**
 * A connection to a VM's helper: requests are lines, answers are lines of JSON, in order. A watch
 * has a connection of its own, since what it gets is not asked for.
 *
 *     VMDIR/ctl.sock   status | renew MS | extend MS | stop | watch     (attach: ffi/net does that)
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import { type HelperStatus, parseAnswer, parseStatus } from "./helper_status.ts";

/** What a node may ask of a helper. Every call may throw `OmertaError` `vm-failed`. */
export interface HelperClient {
  status(): Promise<HelperStatus>;
  /** Sets the deadline to min(end of life, max(deadline, now + `leaseMs`)). */
  renew(leaseMs: number): Promise<HelperStatus>;
  /** The same; asked for by the VM's owner. */
  extend(leaseMs: number): Promise<HelperStatus>;
  /** Ends the VM; resolves when nothing of it runs any more and its lock is free. */
  stop(): Promise<void>;
  /** Calls `onStatus` now and at each change of state, the last time with `gone`. */
  watch(onStatus: (status: HelperStatus) => void): Promise<HelperWatch>;
  /** Closes the connection, not the VM. Calls that wait fail. */
  close(): void;
}

/** A watch that runs. */
export interface HelperWatch {
  /** Resolves when the helper is gone, or the watch was closed. */
  readonly ended: Promise<void>;
  close(): void;
}

/** A helper answers within milliseconds; a machine that swaps needs longer. Guess. */
const ANSWER_MS = 5_000;
/** QEMU is killed after 500 ms; the rest as above. */
const STOP_MS = 10_000;
/** Requests of one connection that wait at once. Guess: a handful is usual. */
const WAITING_MAX = 32;
/** Twice the longest line that a helper writes. */
const LINE_CHARS_MAX = 32 * 1024;

/**
 * Connects to the helper that serves `dir`.
 *
 * @throws {OmertaError} `not-found` where none is there (any more), `vm-failed` where that is unknown.
 */
export async function connectHelper(dir: string): Promise<HelperClient> {
  const lines = await Lines.connect(dir);
  const status = async (request: string, timeoutMs: number) =>
    parseStatus(await ask(lines, request, timeoutMs));
  return {
    status: () => status("status", ANSWER_MS),
    renew: (leaseMs) => status(`renew ${milliseconds(leaseMs)}`, ANSWER_MS),
    extend: (leaseMs) => status(`extend ${milliseconds(leaseMs)}`, ANSWER_MS),
    stop: () => stop(lines),
    watch: (onStatus) => watch(dir, onStatus),
    close: () => lines.close(),
  };
}

function milliseconds(value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`Cannot use leaseMs as a lease: current value is ${value}`);
}

async function ask(lines: Lines, request: string, timeoutMs: number) {
  const answer = await lines.ask(request, timeoutMs);
  if (answer === undefined) throw closed();
  return parseAnswer(answer);
}

/** A helper that is gone before it could answer has done what was asked. */
async function stop(lines: Lines): Promise<void> {
  const answer = await lines.ask("stop", STOP_MS).catch((error) => {
    if (error instanceof OmertaError && error.code === "not-found") return undefined;
    throw error;
  });
  if (answer !== undefined) parseAnswer(answer);
}

async function watch(
  dir: string,
  onStatus: (status: HelperStatus) => void,
): Promise<HelperWatch> {
  const lines = await Lines.connect(dir);
  const first = await lines.ask("watch", ANSWER_MS);
  if (first === undefined) throw closed();
  onStatus(parseStatus(parseAnswer(first)));
  return { ended: follow(lines, onStatus), close: () => lines.close() };
}

async function follow(lines: Lines, onStatus: (status: HelperStatus) => void): Promise<void> {
  for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
    onStatus(parseStatus(parseAnswer(line)));
  }
  lines.close();
}

function closed(): OmertaError {
  return new OmertaError("vm-failed", "The VM's helper closed the connection");
}

/** Lines to and from one unix socket. */
class Lines {
  readonly #connection: Deno.UnixConn;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #closed = false;
  #waiting = 0;
  /** The request before; each waits for the one in front. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  static async connect(dir: string): Promise<Lines> {
    try {
      return new Lines(await Deno.connect({ transport: "unix", path: `${dir}/ctl.sock` }));
    } catch (cause) {
      throw isAbsent(cause) ? absent(cause) : unreachable(cause);
    }
  }

  /** Sends a line and takes the next one that comes; `undefined` at the end. */
  ask(request: string, timeoutMs: number): Promise<string | undefined> {
    if (this.#waiting >= WAITING_MAX) return Promise.reject(busy());
    this.#waiting++;
    const answer = this.#previous.then(() => this.#exchange(request, timeoutMs))
      .finally(() => this.#waiting--);
    this.#previous = answer.catch(() => {}); // each caller sees its own failure
    return answer;
  }

  /** The next line, or `undefined` at the end. */
  async next(): Promise<string | undefined> {
    const piece = new Uint8Array(16 * 1024);
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) return this.#take(end);
      if (this.#rest.length > LINE_CHARS_MAX) throw closed();
      const count = await this.#connection.read(piece).catch(() => null); // reset, or closed by us
      if (count === null) return undefined;
      this.#rest += this.#decoder.decode(piece.subarray(0, count), { stream: true });
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }

  #take(end: number): string {
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return line;
  }

  async #exchange(request: string, timeoutMs: number): Promise<string | undefined> {
    if (this.#closed) throw closed();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.close();
    }, timeoutMs);
    try {
      await writeAll(this.#connection, new TextEncoder().encode(`${request}\n`));
      const line = await this.next();
      if (line === undefined && isLate) throw late(timeoutMs);
      return line;
    } finally {
      clearTimeout(timer);
    }
  }
}

function late(timeoutMs: number): OmertaError {
  return new OmertaError("vm-failed", `The VM's helper did not answer within ${timeoutMs} ms`);
}

function busy(): OmertaError {
  return new OmertaError("vm-failed", "Too much is asked of the VM's helper at once");
}

async function writeAll(connection: Deno.UnixConn, bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  } catch (cause) {
    throw absent(cause);
  }
}

/** Nobody listens: the helper has ended, or was killed. Anything else proves nothing of the kind. */
function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused;
}

function absent(cause: unknown): OmertaError {
  return new OmertaError("not-found", "The VM's helper is not there any more", { cause });
}

function unreachable(cause: unknown): OmertaError {
  return new OmertaError("vm-failed", "The VM's helper cannot be reached", { cause });
}
