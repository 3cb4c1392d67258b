/**
 * Namespaces and processes for the network benchmarks: named after this process, gone at the end.
 *
 * @module
 */
import { generateKeyPairSync } from "node:crypto";

const ROOT = new URL("../..", import.meta.url).pathname;

/** Kernel clock ticks per second, as in /proc/PID/stat. Source: getconf CLK_TCK on Linux. */
const TICKS_PER_SECOND = 100;

/** A process that speaks JSON lines. */
export interface Talker {
  readonly pid: number;
  /** Writes one line. */
  write(document: unknown): Promise<void>;
  /** The next line for which `wanted` holds; others are dropped. */
  read(wanted: (line: Json) => boolean): Promise<Json>;
}

/** A line of a process. */
// deno-lint-ignore no-explicit-any -- whatever a benchmark's helper says
export type Json = Record<string, any>;

/** Why the benchmark cannot run here, or `undefined`. */
export function labProblem(): string | undefined {
  if (Deno.build.os !== "linux") return "it needs Linux";
  if (Deno.uid() !== 0) return "it needs root, for network namespaces";
  const { success } = new Deno.Command("ip", { args: ["netns", "list"], stdout: "null" })
    .outputSync();
  return success ? undefined : "ip netns does not work here";
}

/** Namespaces in a row, each joined to the next by a veth pair. */
export class Lab implements AsyncDisposable {
  readonly dir: string;
  readonly #spaces: string[] = [];
  readonly #children: Deno.ChildProcess[] = [];

  constructor() {
    this.dir = Deno.makeTempDirSync({ prefix: "omerta-bench-" });
  }

  /** Makes the namespaces; the i-th and the next get 10.77.i.1 and 10.77.i.2. */
  row(...names: string[]): string[] {
    const spaces = names.map((name) => `omb${Deno.pid}-${name}`);
    for (const space of spaces) {
      run("ip", "netns", "add", space);
      this.#spaces.push(space);
      run("ip", "-n", space, "link", "set", "lo", "up");
    }
    spaces.slice(1).forEach((right, i) => this.#join(spaces[i] ?? "", right, i));
    return spaces;
  }

  #join(left: string, right: string, index: number): void {
    run(
      ...["ip", "-n", left, "link", "add", `r${index}`, "type", "veth"],
      ...["peer", "name", `l${index}`, "netns", right],
    );
    for (
      const [space, device, host] of [[left, `r${index}`, 1], [right, `l${index}`, 2]] as const
    ) {
      run("ip", "-n", space, "addr", "add", `10.77.${index}.${host}/24`, "dev", device);
      run("ip", "-n", space, "link", "set", device, "up");
    }
  }

  /** Builds a Go part of `ffi/net` into this lab's directory; returns its path. */
  build(name: string, ...args: string[]): string {
    const out = `${this.dir}/${name}`;
    const build = ["build", "-trimpath", "-ldflags=-s -w", "-o", out, ...args];
    const command = new Deno.Command("go", { args: build, cwd: `${ROOT}ffi/net`, stderr: "piped" });
    const { success, stderr } = command.outputSync();
    if (!success) throw new Error(`go build: ${new TextDecoder().decode(stderr)}`);
    return out;
  }

  /** Starts a program in a namespace. */
  start(space: string, ...command: string[]): Talker {
    const child = new Deno.Command("ip", {
      args: ["netns", "exec", space, ...command],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#children.push(child);
    return new LineTalker(child);
  }

  /** Starts one end with the native network, and waits for its port. */
  async peer(space: string, library: string, port: number): Promise<Peer> {
    const script = `${ROOT}tests/bench/net_peer.ts`;
    const args = ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`, script];
    const socket = `${this.dir}/${port}.sock`;
    const talker = this.start(space, Deno.execPath(), ...args, library, String(port), socket);
    await talker.read((line) => "port" in line);
    return new Peer(talker, socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      await child.stdin.close().catch(() => {}); // it may have ended
      const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
      await child.status;
      clearTimeout(timer);
    }
    for (const space of this.#spaces) run("ip", "netns", "delete", space);
    Deno.removeSync(this.dir, { recursive: true });
  }
}

class LineTalker implements Talker {
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: Deno.ChildProcess) {
    this.pid = child.pid;
    this.#child = child;
    this.#lines = linesOf(child.stdout);
  }

  async write(document: unknown): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${JSON.stringify(document)}\n`));
    writer.releaseLock();
  }

  async read(wanted: (line: Json) => boolean): Promise<Json> {
    for (;;) {
      const next = await this.#lines.next();
      if (next.done) throw new Error("a process of the benchmark ended early");
      const line = JSON.parse(next.value);
      if (wanted(line)) return line;
    }
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

/** A process with the native network. */
export class Peer {
  constructor(readonly talker: Talker, readonly socket: string) {}

  /** Runs an operation of the native network. */
  async command(op: string, args: Json = {}): Promise<Json> {
    await this.talker.write({ op, args });
    return (await this.talker.read((line) => "answer" in line))["answer"];
  }

  /** The next event of that type. */
  async event(type: string): Promise<Json> {
    return (await this.talker.read((line) => line["event"]?.type === type))["event"];
  }
}

/** A WireGuard key pair in hex. */
export function wireguardKeys(): { privateKey: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const raw = (key: typeof privateKey, type: "pkcs8" | "spki") =>
    key.export({ format: "der", type }).subarray(-32).toString("hex");
  return { privateKey: raw(privateKey, "pkcs8"), publicKey: raw(publicKey, "spki") };
}

/** CPU seconds that a process has used, user and system. */
export function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory of a process in MiB, and its highest. */
export function residentMib(pid: number): { now: number; peak: number } {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const of = (name: string) => Number(status.match(`${name}:\\s+(\\d+)`)?.[1]) / 1024;
  return { now: of("VmRSS"), peak: of("VmHWM") };
}

/** Runs a program to its end; throws with what it said when it fails. */
export function run(program: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args, stderr: "piped" })
    .outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${text(stderr)}`);
  return text(stdout);
}
