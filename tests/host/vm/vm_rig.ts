/**
 * Real virtual machines for tests: the helper, the image `micro` and QEMU, in a directory that is
 * gone with the test, whatever the test did.
 *
 * @module
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import {
  connectHelper,
  type HelperClient,
  type HelperStatus,
  startHelper,
} from "../../../src/host/vm/helper.ts";
import { guestSeed, parseManifest } from "../../../src/vm/mod.ts";
import { mountObstacle, type Obstacle, testUnless } from "../scratch.ts";

// A helper outlives whoever started it; when this process is told of its end is the system's affair, and
// may be during another test of the file. Descriptors and processes are looked at by the tests themselves.
Deno.test.sanitizer({ ops: false, resources: false });

const ROOT = new URL("../../../", import.meta.url).pathname;
const BUILD = `${ROOT}build`;
const IMAGE = `${BUILD}/image/micro`;

const TOOLS = `${BUILD}/omerta-vm.obj`;
/** The helper under test; another one, such as that of `make asan`, by OMERTA_TEST_HELPER. */
export const HELPER = Deno.env.get("OMERTA_TEST_HELPER") ?? `${BUILD}/omerta-vm`;
const TOOL = `${TOOLS}/tool`;
/** The emulator of Debian's package. */
export const QEMU = "/usr/bin/qemu-system-x86_64";

let built: { obstacle: Obstacle } | undefined;

/** What keeps VMs from running here; builds what their tests need, where it is stale. */
export function vmObstacle(): Obstacle {
  built ??= { obstacle: build() };
  return built.obstacle;
}

function build(): Obstacle {
  if (!isThere(QEMU)) return `qemu: ${QEMU} is not there`;
  runNow(`${ROOT}scripts/native`, "vm", "image");
  runNow("make", "-s", "-C", `${ROOT}ffi/vm`, `OUT=${BUILD}/omerta-vm`, "tools");
  return undefined;
}

/** What keeps a test from what only root can arrange: another user, a kernel that refuses. */
export function rootObstacle(): Obstacle {
  return vmObstacle() ?? (Deno.uid() === 0 ? mountObstacle() : "root: only root can arrange it");
}

/** A test with a VM. */
export function vmTest(name: string, fn: () => Promise<void>): void {
  testUnless(vmObstacle(), name, fn);
}

/** A test with a VM and with what only root can arrange. */
export function rootTest(name: string, fn: () => Promise<void>): void {
  testUnless(rootObstacle(), name, fn);
}

/** The parts of the jail that this system does not give. */
export async function missingHere(): Promise<readonly string[]> {
  let missing: readonly string[] = [];
  await withVm({ fake: "hang" }, async (vm) => {
    await vm.start();
    missing = (await vm.connected((client) => client.status())).missing;
  });
  return missing;
}

/** What a test wants of its VM. */
export interface VmWish {
  readonly leaseMs?: number;
  readonly lifeMs?: number;
  /** Added to the kernel's command line. */
  readonly append?: string;
  /** Give it a blank disk of 16 MiB. */
  readonly disk?: boolean;
  /** A QEMU of bad character: see `ffi/vm/tests/fake_qemu.c`. */
  readonly fake?: string;
  /** Words before the helper's own command, such as a change of user. */
  readonly by?: readonly string[];
  /** The user who shall own the directory and its files. */
  readonly uid?: number;
}

/** A VM's directory, and how to reach its helper. */
export class Vm {
  readonly dir: string;
  readonly helper: string;
  readonly spec: Readonly<Record<string, string | number>>;

  constructor(dir: string, helper: string, spec: Readonly<Record<string, string | number>>) {
    this.dir = dir;
    this.helper = helper;
    this.spec = spec;
  }

  /** Starts the helper, with some lines of the spec changed (`undefined`: left out). */
  async start(changes: Readonly<Record<string, string | number | undefined>> = {}): Promise<void> {
    const spec = specText({ ...this.spec, ...changes });
    await startHelper({ helper: this.helper, dir: this.dir, spec });
  }

  /** Runs `test` with a connection that is closed afterwards. */
  async connected<T>(test: (client: HelperClient) => Promise<T>): Promise<T> {
    const client = await connectHelper(this.dir);
    try {
      return await test(client);
    } finally {
      client.close();
    }
  }

  /** Waits for a state; fails if the VM ends before. */
  async until(state: HelperStatus["state"]): Promise<HelperStatus> {
    return await this.connected((client) => reach(client, state));
  }

  /** The names in its directory, sorted. */
  files(): string[] {
    return [...Deno.readDirSync(this.dir)].map((entry) => entry.name).sort();
  }
}

async function reach(client: HelperClient, state: HelperStatus["state"]): Promise<HelperStatus> {
  const found = Promise.withResolvers<HelperStatus>();
  let last: HelperStatus | undefined;
  const watch = await client.watch((status) => {
    last = status;
    if (status.state === state) found.resolve(status);
  });
  const ended = watch.ended.then(() => found.reject(new Error(`ended: ${last?.consoleTail}`)));
  try {
    return await found.promise;
  } finally {
    watch.close();
    await ended;
  }
}

/** The text of a spec. */
export function specText(fields: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(fields).filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}\n`).join("");
}

/** Runs `test` with a VM that is ready to be started. */
export async function withVm(wish: VmWish, test: (vm: Vm) => Promise<void>): Promise<void> {
  const scratch = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "omerta-vm-" }));
  const dir = `${scratch}/vm`;
  try {
    Deno.mkdirSync(dir, { mode: 0o700 });
    const vm = new Vm(dir, helperOf(wish, scratch), specOf(wish, scratch));
    if (wish.uid !== undefined) runNow("chown", "-R", String(wish.uid), scratch);
    await test(vm);
  } finally {
    await endVm(dir);
    Deno.removeSync(scratch, { recursive: true });
  }
}

function specOf(wish: VmWish, scratch: string): Record<string, string | number> {
  const manifest = parseManifest(Deno.readFileSync(`${IMAGE}/manifest.json`));
  if (!manifest.ok) throw new Error(`the image: ${manifest.reason}`);
  const { append } = manifest.value;
  return {
    qemu: wish.fake === undefined ? QEMU : fakeQemu(scratch, wish.fake),
    kernel: copy(`${IMAGE}/kernel`, `${scratch}/kernel`),
    initrd: copy(`${IMAGE}/initrd`, `${scratch}/initrd`),
    seed: writeSeed(`${scratch}/vm/seed`),
    append: wish.append === undefined ? append : `${append} ${wish.append}`,
    cpus: 1,
    memory_mib: 256,
    accel: "tcg",
    ...(wish.disk === true && { disk: blankDisk(`${scratch}/vm/disk`) }),
    lease_ms: wish.leaseMs ?? 60_000,
    life_ms: wish.lifeMs ?? 600_000,
  };
}

/** As the node's own copies are: for no other user. */
function copy(from: string, to: string): string {
  Deno.copyFileSync(from, to);
  Deno.chmodSync(to, 0o600);
  return to;
}

function fakeQemu(scratch: string, name: string): string {
  Deno.mkdirSync(`${scratch}/bin`);
  Deno.copyFileSync(`${TOOLS}/fake_qemu`, `${scratch}/bin/${name}`);
  Deno.chmodSync(scratch, 0o755);
  return `${scratch}/bin/${name}`;
}

function blankDisk(path: string): string {
  Deno.writeFileSync(path, new Uint8Array());
  Deno.truncateSync(path, 16 * 1024 * 1024);
  return path;
}

function helperOf(wish: VmWish, scratch: string): string {
  if (wish.by === undefined) return HELPER;
  const path = `${scratch}/helper`;
  Deno.copyFileSync(HELPER, `${scratch}/omerta-vm`);
  Deno.copyFileSync(TOOL, `${scratch}/tool`);
  const words = wish.by.map((word) => word === "tool" ? `${scratch}/tool` : word).join(" ");
  Deno.writeTextFileSync(path, `#!/bin/sh\nexec ${words} ${scratch}/omerta-vm "$@"\n`);
  Deno.chmodSync(path, 0o755);
  return path;
}

function writeSeed(path: string): string {
  const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
  const hostKeySeed = random(32);
  const seed = guestSeed({
    wgPrivateKey: random(32),
    peerPublicKey: random(32),
    address: "fd00::2",
    peerAddress: "fd00::1",
    hostKeySeed,
    hostPublicKey: ed25519.getPublicKey(hostKeySeed),
    entropy: random(64),
    authorizedKeys: [],
    hostname: "test",
  });
  Deno.writeFileSync(path, seed, { mode: 0o600 });
  return path;
}

/** A seed for another start: the one before is gone. */
export function newSeed(vm: Vm): string {
  return writeSeed(`${vm.dir}/seed`);
}

/** Ends what a failed test left, by the means of last resort. */
async function endVm(dir: string): Promise<void> {
  let client: HelperClient;
  try {
    client = await connectHelper(dir);
  } catch {
    return; // nothing is left
  }
  await client.stop().finally(() => client.close());
}

/** A copy of the tool that any user may run. */
export function copyTool(vm: Vm): string {
  const path = `${vm.dir}/tool`;
  Deno.copyFileSync(TOOL, path);
  Deno.chmodSync(path, 0o755);
  return path;
}

/** A program of ffi/vm's tests that prints lines; see `ffi/vm/tests/tool.c`. */
export class Tool {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  constructor(...args: string[]) {
    const command = new Deno.Command(TOOL, { args, stdin: "piped", stdout: "piped" });
    this.#process = command.spawn();
    this.#lines = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stdin = this.#process.stdin.getWriter();
  }

  /** The next line; "" at the end. */
  async line(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) return "";
      this.#rest += value;
    }
    const [line = "", ...more] = this.#rest.split("\n");
    this.#rest = more.join("\n");
    return line;
  }

  async write(text: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(text));
  }

  async close(): Promise<void> {
    await this.#stdin.close().catch(() => {}); // it may have ended by itself
    while (await this.line() !== "");
    await this.#process.status;
  }
}

/** Attaches as a node does; `test` gets what carries the guest's datagrams. */
export async function attached(vm: Vm, test: (node: Tool) => Promise<void>): Promise<void> {
  const node = new Tool("attach", `${vm.dir}/ctl.sock`);
  try {
    const answer = await node.line();
    if (answer !== '{"ok":true}') throw new Error(answer);
    await test(node);
  } finally {
    await node.close();
  }
}

/** Does something, and resolves when none of the processes runs any more. */
export async function untilGone(pids: number[], act: () => void | Promise<void>): Promise<void> {
  const tool = new Tool("await", ...pids.map(String));
  await tool.line();
  await act();
  const answer = await tool.line();
  await tool.close();
  if (answer !== "gone") throw new Error("a process could not be awaited");
}

/** One field of /proc/PID/status. */
export function statusField(pid: number, name: string): string {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const line = status.split("\n").find((text) => text.startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim() ?? "";
}

/** The process whose child this one is. */
export function parentOf(pid: number): number {
  return Number(statusField(pid, "PPid"));
}

/** The descriptors of a process: their numbers, and what they are. */
export function descriptors(pid: number): [string, string][] {
  const folder = `/proc/${pid}/fd`;
  return [...Deno.readDirSync(folder)].map(({ name }) => [
    name,
    Deno.readLinkSync(`${folder}/${name}`),
  ]);
}

const PACKAGES = `${BUILD}/image/cache/debs`;

/** What keeps `ffi/vm/tests/nested` from running here. */
export function nestedObstacle(): Obstacle {
  const names = isThere(PACKAGES) ? [...Deno.readDirSync(PACKAGES)].map(({ name }) => name) : [];
  const isComplete = names.some((name) => /^linux-image-.*-cloud-amd64_/.test(name));
  return vmObstacle() ?? (isComplete ? undefined : "packages: scripts/image has downloaded none");
}

/** Runs `ffi/vm/tests/nested`; its lines. */
export async function nested(): Promise<string[]> {
  const args = [`${BUILD}/omerta-vm`, TOOL, IMAGE, PACKAGES];
  const { stdout } = await new Deno.Command(`${ROOT}ffi/vm/tests/nested`, { args }).output();
  return new TextDecoder().decode(stdout).split("\n");
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function runNow(program: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args, stderr: "piped" }).outputSync();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr).trim()}`);
}
