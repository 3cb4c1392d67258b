/**
 * Directories and processes for the tests of the host: gone when the test is.
 *
 * @module
 */

/** Runs `test` with a fresh private directory, resolved; removes it afterwards. */
export async function withDirectory(
  test: (dir: string) => void | Promise<void>,
): Promise<void> {
  const dir = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "omerta-" }));
  try {
    await test(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** A test body in a fresh private directory. */
export function inDirectory(test: (dir: string) => void | Promise<void>): () => Promise<void> {
  return () => withDirectory(test);
}

/** Runs `test` in a file system of `bytes` bytes. Needs root: see `mountObstacle`. */
export async function withSmallDisk(
  bytes: number,
  test: (dir: string) => void | Promise<void>,
): Promise<void> {
  await withDirectory(async (dir) => {
    const disk = `${dir}/disk`;
    Deno.mkdirSync(disk);
    run("mount", "-t", "tmpfs", "-o", `size=${bytes},nr_inodes=64,mode=0700`, "omerta-test", disk);
    try {
      await test(disk);
    } finally {
      run("umount", disk);
    }
  });
}

/**
 * Why a test cannot run here: a word for `OMERTA_TEST_MAY_SKIP` of scripts/test, and a sentence;
 * `undefined`: it can.
 */
export type Obstacle = string | undefined;

/** Declares a test, or says why it is skipped: then it is counted as that, never as passed. */
export function testUnless(
  obstacle: Obstacle,
  name: string,
  fn: () => void | Promise<void>,
  options: { sanitizeOps?: boolean; sanitizeResources?: boolean } = {},
): void {
  if (obstacle !== undefined) say(`skipped: ${name}: ${obstacle}`);
  Deno.test({ name, ignore: obstacle !== undefined, ...options, fn: async () => await fn() });
}

let mounting: { obstacle: Obstacle } | undefined;

/** What keeps this process from mounting a tmpfs. */
export function mountObstacle(): Obstacle {
  mounting ??= { obstacle: tryToMount() };
  return mounting.obstacle;
}

function tryToMount(): Obstacle {
  const dir = Deno.makeTempDirSync({ prefix: "omerta-" });
  try {
    run("mount", "-t", "tmpfs", "-o", "size=4096", "omerta-test", dir);
    run("umount", dir);
    return undefined;
  } catch (error) {
    const [line = ""] = String(error instanceof Error ? error.message : error).split("\n");
    return `root: no small disk can be mounted (${line})`;
  } finally {
    Deno.removeSync(dir);
  }
}

function run(program: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args, stderr: "piped" }).outputSync();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Prints a line, at once: for programs that a test reads, and for the reason of a skipped test. */
export function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** A Deno program that was started; the test reads its lines. */
export class Program {
  readonly process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(module: string, ...args: string[]) {
    this.process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-prompt", module, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = linesOf(this.process.stdout);
  }

  /** The next line that it prints, or `undefined` at its end. */
  async line(): Promise<string | undefined> {
    const next = await this.#lines.next();
    return next.done ? undefined : next.value;
  }

  /** Kills it as nothing can prevent, and waits for its end. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.end();
  }

  /** Waits for its end; returns its exit status. */
  async end(): Promise<number> {
    await this.process.stdin.close().catch(() => {}); // it may be gone already
    while (await this.line() !== undefined); // to its end, so that the pipe is closed
    return (await this.process.status).code;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + piece).split("\n");
    rest = whole.pop() ?? "";
    yield* whole;
  }
}
