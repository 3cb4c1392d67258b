/**
 * One host of the lab: the command line of the product, run there as a person would.
 *
 * @module
 */
import { assert, assertEquals } from "./assert.ts";
import { type Process, ProcessWatch } from "./processes.ts";
import { appendText, Running } from "./running.ts";
import { until, within } from "./wait.ts";

/** A JSON document of the product, as a test reads it. */
// deno-lint-ignore no-explicit-any -- documents are looked into freely here; the contract is the test
export type Doc = any;

/** How one command ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** How a command is run. */
export interface RunOptions {
  /** Text for stdin; without it stdin is empty. */
  readonly stdin?: string;
  /** Beyond what the host has; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** After which the command is killed and the test fails. */
  readonly withinMs?: number;
}

/** A node that was told to end does so within this, also on a busy machine. */
const STOP_MS = 30_000;

const ROOT = new URL("../../../", import.meta.url).pathname;

/** The program under test: `$OMERTA`, else the tool from the source tree. */
export const OMERTA: string = Deno.env.get("OMERTA") ?? `${ROOT}scripts/omerta`;

/** One host: a place in the network and a state directory. */
export class Host {
  readonly name: string;
  /** The host's directory: home, logs and state. */
  readonly dir: string;
  /** The state directory of its node. */
  readonly state: string;
  /** Where the others reach it, if it has a public address. */
  readonly address: string;
  readonly #namespace: string | undefined;
  readonly #watch: ProcessWatch;
  readonly #running = new Set<Running>();

  constructor(at: { name: string; dir: string; address: string; namespace: string | undefined }) {
    this.name = at.name;
    this.dir = at.dir;
    this.state = `${at.dir}/s`;
    this.address = at.address;
    this.#namespace = at.namespace;
    this.#watch = new ProcessWatch(at.dir);
    Deno.mkdirSync(at.dir, { recursive: true, mode: 0o700 });
  }

  /** Runs a command of the product to its end. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return this.exec(OMERTA, args, options);
  }

  /** Runs any program on this host to its end. */
  async exec(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const began = performance.now();
    const child = new Deno.Command(...this.#command(program, args, options)).spawn();
    const what = `${this.name}: ${program.split("/").pop()} ${args.join(" ")}`;
    const result = Promise.all([feed(child, options.stdin ?? ""), child.output()]);
    const [, output] = await within(what, options.withinMs ?? 120_000, result).catch((error) => {
      child.kill("SIGKILL");
      throw error;
    });
    const ms = Math.round(performance.now() - began);
    const [stdout, stderr] = [output.stdout, output.stderr].map((part) => decode(part));
    const outcome = { code: output.code, stdout: stdout ?? "", stderr: stderr ?? "", ms };
    appendText(this.log, `$ ${what}\n${stderr}[exit ${output.code} after ${ms} ms]\n`);
    return outcome;
  }

  /** Runs a command with `--json` that must succeed; its document. */
  async json(args: readonly string[], options: RunOptions = {}): Promise<Doc> {
    const outcome = await this.run(withJson(args), options);
    const about = `${this.name}: omerta ${args.join(" ")}`;
    assert(
      outcome.code === 0,
      `${about}: exit ${outcome.code}: ${outcome.stderr}${outcome.stdout}`,
    );
    return parseDocument(outcome.stdout, about);
  }

  /**
   * Runs a command that must fail as the contract says: this exit status, this code in the error
   * document on stdout, and a sentence on stderr. Returns the error of the document.
   */
  async fails(
    args: readonly string[],
    expected: { exit: number; code: string | RegExp },
    options: RunOptions = {},
  ): Promise<Doc> {
    const outcome = await this.run(withJson(args), options);
    const about = `${this.name}: omerta ${args.join(" ")}`;
    const said = `${about}: ${outcome.stderr}${outcome.stdout}`;
    assertEquals(outcome.code, expected.exit, `exit status of ${said}`);
    const document = parseDocument(outcome.stdout, about);
    assertEquals(document.schema, "omerta.error/1", `schema of ${said}`);
    const isCode = typeof expected.code === "string"
      ? document.error.code === expected.code
      : expected.code.test(document.error.code);
    assert(isCode, `code is ${document.error.code}, expected ${expected.code}: ${said}`);
    assertEquals(document.error.exit, expected.exit, `error.exit of ${said}`);
    assert(outcome.stderr.trim() !== "", `nothing on stderr: ${said}`);
    assert(!/\n\s+at /.test(outcome.stderr), `a stack trace on stderr: ${said}`);
    return document.error;
  }

  /** Starts a command of the product that goes on. */
  start(args: readonly string[], options: RunOptions = {}): Running {
    return this.spawn(OMERTA, args, options);
  }

  /** Starts any program on this host. */
  spawn(program: string, args: readonly string[], options: RunOptions = {}): Running {
    const [inner, { args: all, env, cwd }] = this.#command(program, args, options);
    appendText(this.log, `$ ${this.name}: ${program.split("/").pop()} ${args.join(" ")} &\n`);
    const running = new Running({ program: inner, args: all, env, cwd, log: this.log });
    this.#running.add(running);
    running.ended.then(() => this.#running.delete(running));
    return running;
  }

  /** Starts a foreground node and waits until it can serve; the node and its document. */
  async node(args: readonly string[], options: RunOptions = {}): Promise<[Running, Doc]> {
    const running = this.start(withJson(args), options);
    if (options.stdin !== undefined) await running.write(options.stdin);
    await running.closeInput();
    const about = `${this.name}: omerta ${args.join(" ")} to be ready`;
    const line = await running.line(about, options.withinMs ?? 60_000);
    return [running, parseDocument(line, about)];
  }

  /** The processes of this host, in its namespace or with its directory in their hands. */
  processes(): Process[] {
    return this.#watch.living();
  }

  /** The QEMU processes of this host's VMs; a guest that only finds out about KVM is none. */
  qemus(): Process[] {
    return this.processes().filter(({ name, command }) =>
      name.startsWith("qemu") && !command.includes("omerta.probe=1")
    );
  }

  /** The VM helpers of this host. Started from memory, they bear another name. */
  helpers(): Process[] {
    return this.#ofVms().filter(({ name }) => name !== "omerta-vm-init");
  }

  /** All processes of VMs but QEMU: a helper each, and what it put above QEMU. */
  #ofVms(): Process[] {
    return this.processes().filter(({ name, command }) =>
      !name.startsWith("qemu") && !/omerta-vm probe/.test(command) &&
      (name.startsWith("omerta-vm") || command.includes("/vms/"))
    );
  }

  /** Waits until nothing of any VM is left on this host: no QEMU, no helper, no directory. */
  async noVms(withinMs = 30_000): Promise<void> {
    await until(`${this.name}: no VM directory`, () => this.vmDirectories().length === 0, withinMs);
    await until(`${this.name}: no QEMU and no helper`, () => {
      return this.qemus().length + this.#ofVms().length === 0;
    }, withinMs);
  }

  /** Waits until no process of this host lives. */
  async idle(withinMs = 20_000): Promise<void> {
    let living: Process[] = [];
    await until(`${this.name}: no process`, () => {
      living = this.processes();
      if (living.length > 0) throw new Error(living.map((one) => one.command).join("; "));
      return true;
    }, withinMs);
  }

  /** Whether this host has no network of its own. */
  get isOnLoopback(): boolean {
    return this.#namespace === undefined;
  }

  /** The names of the VM directories in this host's state. */
  vmDirectories(): string[] {
    try {
      return [...Deno.readDirSync(`${this.state}/vms`)].map((entry) => entry.name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** The file with everything that commands on this host said. */
  get log(): string {
    return `${this.dir}/log`;
  }

  /** The last lines of the host's log and of its node's. */
  report(): string {
    const tail = (path: string) => {
      try {
        return Deno.readTextFileSync(path).split("\n").slice(-30).join("\n");
      } catch {
        return "(none)";
      }
    };
    const living = this.processes().map((one) => `${one.pid} ${one.command}`).join("\n");
    return `--- ${this.name} ---\n${tail(this.log)}\n--- ${this.name}: node.log ---\n` +
      `${tail(`${this.state}/node.log`)}\n--- ${this.name}: processes ---\n${living}\n`;
  }

  /** Ends what was started and goes on. @throws {Error} where something does not end. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop("SIGTERM", STOP_MS)));
  }

  /** Ends what runs here: politely first, then not. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#running].map((running) => running.stop("SIGTERM", 5_000)));
    for (let rounds = 0; rounds < 50 && this.processes().length > 0; rounds++) {
      for (const { pid } of this.processes()) {
        try {
          Deno.kill(pid, "SIGKILL");
        } catch { /* it has just ended */ }
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #command(program: string, args: readonly string[], options: RunOptions): [string, CommandParts] {
    const env = { ...baseEnv(), HOME: this.dir, OMERTA_STATE: this.state, ...options.env };
    const defined = Object.entries(env).filter(([, value]) => value !== undefined);
    const parts = {
      env: Object.fromEntries(defined) as Record<string, string>,
      clearEnv: true,
      cwd: options.cwd ?? this.dir,
      stdin: "piped" as const,
      stdout: "piped" as const,
      stderr: "piped" as const,
    };
    if (this.#namespace === undefined) return [program, { ...parts, args: [...args] }];
    const inside = [`--net=/run/netns/${this.#namespace}`, program, ...args];
    return ["nsenter", { ...parts, args: inside }];
  }
}

interface CommandParts {
  readonly args: string[];
  readonly env: Record<string, string>;
  readonly clearEnv: boolean;
  readonly cwd: string;
  readonly stdin: "piped";
  readonly stdout: "piped";
  readonly stderr: "piped";
}

/** What every command needs of the tester's environment, and no more. */
function baseEnv(): Record<string, string> {
  const home = Deno.env.get("HOME") ?? "/";
  const env: Record<string, string> = {
    PATH: Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${home}/.cache/deno`,
    OMERTA_AS_BUILT: "1",
  };
  const temporary = Deno.env.get("TMPDIR");
  if (temporary !== undefined) env["TMPDIR"] = temporary;
  return env;
}

async function feed(child: Deno.ChildProcess, text: string): Promise<void> {
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text)).catch(() => {});
  await writer.close().catch(() => {}); // it may end without reading
}

/** `--json` among the flags, never among the words of a remote command. */
function withJson(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return end < 0 ? [...args, "--json"] : [...args.slice(0, end), "--json", ...args.slice(end)];
}

function parseDocument(text: string, about: string): Doc {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${about}: no JSON document on stdout: ${text.slice(0, 500)}`);
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
