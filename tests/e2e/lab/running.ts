/**
 * A program that runs while the test goes on: its lines, its input, its end. Everything that it says
 * also goes to a log file.
 *
 * @module
 */
import { within } from "./wait.ts";

/** What a program is started with. */
export interface Start {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
  readonly cwd: string;
  /** Where stdout and stderr are kept. */
  readonly log: string;
}

/** How a program ended. */
export interface End {
  readonly code: number;
  readonly signal: string | null;
}

/** A running program with piped input and output. */
export class Running {
  readonly #child: Deno.ChildProcess;
  readonly #log: string;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: string[] = [];
  readonly #copies: Promise<unknown>;
  #closed = false;
  #notify: (() => void) | undefined;
  /** Settles when the program has ended and all that it said is logged. */
  readonly ended: Promise<End>;

  constructor({ program, args, env, cwd, log }: Start) {
    this.#log = log;
    this.#child = new Deno.Command(program, {
      args: [...args],
      env,
      clearEnv: true,
      cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#copies = Promise.all([this.#readLines(), this.#logErrors()]);
    this.ended = this.#end();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Writes text to the program's stdin. */
  async write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  /** Ends the program's stdin. */
  async closeInput(): Promise<void> {
    await this.#input.close().catch(() => {}); // it may have ended first
  }

  /**
   * The next line of stdout that was not taken yet.
   *
   * @throws {Error} when the program ends, or the time is over, before there is one.
   */
  line(what: string, withinMs: number): Promise<string> {
    return within(what, withinMs, this.#nextLine(what));
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: Deno.Signal = "SIGTERM", withinMs = 20_000): Promise<End> {
    try {
      this.#child.kill(signal);
    } catch { /* it has ended already */ }
    return await within(`the end after ${signal}; see ${this.#log}`, withinMs, this.ended);
  }

  async #nextLine(what: string): Promise<string> {
    while (this.#lines.length === 0) {
      if (this.#closed) throw new Error(`The program ended before ${what}; its log: ${this.#log}`);
      await new Promise<void>((resolve) => this.#notify = resolve);
    }
    return this.#lines.shift() ?? "";
  }

  async #readLines(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      appendText(this.#log, text);
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      this.#lines.push(...parts);
      this.#notify?.();
    }
    if (rest !== "") this.#lines.push(rest);
    this.#closed = true;
    this.#notify?.();
  }

  async #logErrors(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      appendText(this.#log, text);
    }
  }

  async #end(): Promise<End> {
    const { code, signal } = await this.#child.status;
    await this.#copies;
    await this.closeInput();
    appendText(this.#log, `[ended: ${signal ?? code}]\n`);
    return { code, signal };
  }
}

/** Appends to a log file. */
export function appendText(path: string, text: string): void {
  Deno.writeTextFileSync(path, text, { append: true });
}
