/**
 * A terminal and a node that only remember, for tests of commands.
 */
import type { ApiMethods, MethodName } from "../../src/api/nouns/mod.ts";
import type { PathDoc } from "../../src/api/nouns/mesh.ts";
import type { RunNodeOptions } from "../../src/daemon/options.ts";
import type { VmDoc } from "../../src/api/nouns/consumer.ts";
import { main } from "../../src/cli/mod.ts";
import type { CallHooks, NodeAccess, Splice } from "../../src/cli/node_access.ts";
import type { Child, EndSignal, Terminal } from "../../src/host/terminal.ts";

export const NODE_ID = "ea".repeat(26);
export const NOW_MS = Date.parse("2026-11-20T12:00:00Z");

/** A terminal whose streams are strings. */
export class FakeTerminal implements Terminal {
  stdinIsTerminal = false;
  stdoutIsTerminal = false;
  stderrIsTerminal = false;
  env: Record<string, string | undefined> = {};
  uid: number | null = 1000;
  readonly program = ["/opt/omerta"];
  readonly platform = { os: "linux", arch: "x86_64", deno: "2.9.5" };
  stdout = "";
  stderr = "";
  input = "";
  files: Record<string, string> = {};
  programs: Record<string, string> = { ssh: "/usr/bin/ssh" };
  started: string[][] = [];
  childStatus = 0;
  readonly #handlers = new Set<(signal: EndSignal) => void>();

  get listeners(): number {
    return this.#handlers.size;
  }
  now = (): number => NOW_MS;
  columns = (): number => 80;
  write(text: string): void {
    this.stdout += text;
  }
  writeError(text: string): void {
    this.stderr += text;
  }
  readInput: Terminal["readInput"] = () => Promise.resolve(this.input);
  readFile(path: string): Promise<string> {
    const text = this.files[path];
    return text === undefined ? Promise.reject(new Error(`no ${path}`)) : Promise.resolve(text);
  }
  exists = (path: string): Promise<boolean> => Promise.resolve(path in this.files);
  absolute = (path: string): string => path.startsWith("/") ? path : `/home/u/${path}`;
  findProgram = (name: string): Promise<string | undefined> => {
    return Promise.resolve(this.programs[name]);
  };
  start(command: readonly string[]): Child {
    this.started.push([...command]);
    return { ended: Promise.resolve({ status: this.childStatus }), kill: () => {} };
  }
  onSignals(handler: (signal: EndSignal) => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }
  signal(signal: EndSignal): void {
    for (const handler of this.#handlers) handler(signal);
  }
}

/** What a fake node answers: a result, or a function of input and hooks. */
export type Answers = {
  [M in MethodName]?:
    | ApiMethods[M]["result"]
    | ((
      input: ApiMethods[M]["input"],
      hooks: CallHooks<ApiMethods[M]["item"]>,
    ) => ApiMethods[M]["result"] | Promise<ApiMethods[M]["result"]>);
};

/** A node that answers from a table, and remembers what it was asked. */
export class FakeNode implements NodeAccess {
  state = "/state";
  readonly calls: { method: MethodName; input: unknown; start: boolean }[] = [];
  readonly runs: RunNodeOptions[] = [];
  readonly splices: Splice[] = [];
  answers: Answers;
  isGone = true;
  isThere = true;
  runNode: (options: RunNodeOptions) => Promise<void> = () => Promise.resolve();

  constructor(answers: Answers = {}) {
    this.answers = answers;
  }

  exists = (): Promise<boolean> => Promise.resolve(this.isThere);
  build = (): Promise<string> => Promise.resolve("test");

  async call<M extends MethodName>(
    method: M,
    input: ApiMethods[M]["input"],
    options: CallHooks<ApiMethods[M]["item"]> & { start: boolean },
  ): Promise<ApiMethods[M]["result"]> {
    this.calls.push({ method, input, start: options.start });
    const answer = this.answers[method] as unknown;
    if (answer === undefined) throw new Error(`no answer to ${method}`);
    const given = typeof answer === "function" ? await answer(input, options) : answer;
    return given as ApiMethods[M]["result"];
  }
  run(options: RunNodeOptions): Promise<void> {
    this.runs.push(options);
    return this.runNode(options);
  }
  splice(stream: Splice): Promise<void> {
    this.splices.push(stream);
    return Promise.resolve();
  }
  gone = (): Promise<boolean> => Promise.resolve(this.isGone);
}

/** Runs a command line against fakes. */
export async function runWith(
  argv: readonly string[],
  node: FakeNode = new FakeNode(),
  terminal: FakeTerminal = new FakeTerminal(),
): Promise<{ status: number; stdout: string; stderr: string; terminal: FakeTerminal }> {
  const openNode = (state: string | null) => {
    if (state !== null) node.state = state;
    return Promise.resolve(node);
  };
  const status = await main(argv, { terminal, openNode });
  return { status, stdout: terminal.stdout, stderr: terminal.stderr, terminal };
}

export const DIRECT: PathDoc = {
  kind: "direct",
  address: "192.0.2.1:9000",
  via: null,
  transport: "udp",
  rtt_ms: 12.34,
  loss: 0,
  mtu: 1280,
  since_at: "2026-11-20T11:59:00Z",
};

export const NETWORK = {
  id: "ba".repeat(26),
  name: "home",
  epoch: 1,
  enabled: true,
  members: 3,
  grants: ["rent", "provide"],
} as const;

export const VM: VmDoc = {
  id: "abcdefghijklmnop",
  name: "web",
  key: null,
  network: { id: "ne".repeat(26), name: "home" },
  provider: NODE_ID,
  provider_known: true,
  state: "ready",
  ssh_command: ["ssh", "root@abcdefghijklmnop"],
  ssh_address: "[fd00::1]:22",
  ssh_user: "root",
  ssh_host_key: "ssh-ed25519 AAAA",
  cpu: 2,
  memory_bytes: 2 * 2 ** 30,
  storage_bytes: 0,
  image: "micro",
  image_digest: `sha256:${"ab".repeat(32)}`,
  accelerator: "tcg",
  isolation: "emulated",
  confinement: "full",
  egress: "none",
  requested_at: "2026-11-20T11:59:50Z",
  ready_at: "2026-11-20T11:59:55Z",
  lease_ms: 3_600_000,
  lease_expires_at: "2026-11-20T13:00:00Z",
  life_ends_at: "2026-11-21T11:59:50Z",
  checked_at: "2026-11-20T12:00:00Z",
  end: null,
  ended_at: null,
  reason: null,
  path: DIRECT,
  timings_ms: { match: 1, reserve: 20, create: 30, boot: 4000, network: 100, ssh: 50 },
  dry_run: false,
};
