/**
 * A terminal of its own for a program: util-linux's `script` makes one, writes to it what comes on its
 * stdin, and ends with the program's status.
 *
 * @module
 */

/** Whether there is `script`; on Debian it always is. */
export const canMakeTerminal: boolean = (() => {
  try {
    return new Deno.Command("script", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
})();

/** After so long a program is killed. Guess: a failure, not a hang. */
const PATIENCE_MS = 15_000;

/** A program on a terminal of its own. */
export class OnTerminal {
  readonly #script: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  readonly #killer: ReturnType<typeof setTimeout>;
  #text = "";

  /** @param line The program and its arguments; none may need more quoting than `'…'`. */
  constructor(line: readonly string[], env: Record<string, string>) {
    const words = line.map((word) => `'${word}'`).join(" ");
    const command = `echo "pid $$"; exec ${words}`;
    this.#script = new Deno.Command("script", {
      args: ["--quiet", "--return", "--flush", "--command", command, "/dev/null"],
      env: { ...env, SHELL: "/bin/sh" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#killer = setTimeout(() => this.#script.kill("SIGKILL"), PATIENCE_MS);
    this.#input = this.#script.stdin.getWriter();
    this.#output = this.#script.stdout.getReader();
  }

  /** Everything that was shown until `words` were; fails where the program ends before. */
  async shown(words: RegExp): Promise<string> {
    const decoder = new TextDecoder();
    while (!words.test(this.#text)) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`It ended without showing ${words}: ${this.#text}`);
      this.#text += decoder.decode(value);
    }
    return this.#text;
  }

  /** Presses Ctrl-C. */
  async interrupt(): Promise<void> {
    await this.#input.write(new Uint8Array([3]));
  }

  /** Sends the program itself a signal, as a service manager does. */
  async kill(signal: Deno.Signal): Promise<void> {
    const [, pid] = /pid (\d+)/.exec(await this.shown(/pid \d+\s/)) ?? [];
    Deno.kill(Number(pid), signal);
  }

  /** How it ended, and how long after `since` (`performance.now()`). */
  async ended(since: number): Promise<{ status: number; ms: number; text: string }> {
    const decoder = new TextDecoder();
    for (let read = await this.#output.read(); !read.done; read = await this.#output.read()) {
      this.#text += decoder.decode(read.value);
    }
    const { code } = await this.#script.status;
    clearTimeout(this.#killer);
    const ms = performance.now() - since;
    await this.#input.close().catch(() => {}); // its reader has ended
    return { status: code, ms, text: this.#text };
  }
}
