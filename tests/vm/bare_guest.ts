/**
 * The image `micro` in QEMU, with nothing of ours around it: for tests of the image itself, and as
 * the anchor of benchmarks. QEMU's own user network stands in for relay, tunnel and helper, and the
 * guest listens there too (`omerta.bare=1`), which no VM that is lent ever does.
 *
 * @module
 */
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { concatBytes } from "../../src/base/mod.ts";
import {
  buildSeed,
  type GuestSeed,
  guestSeed,
  parseManifest,
  parseSshPublicKey,
  type SeedFile,
  sshHostKeyLine,
} from "../../src/vm/mod.ts";

const IMAGE = new URL("../../build/image/micro/", import.meta.url).pathname;
const QEMU = "/usr/bin/qemu-system-x86_64";

/** How QEMU is started: the same as the VM helper does under emulation, except for the network. */
const MACHINE = [
  ..."-M microvm -accel tcg,thread=multi,tb-size=64".split(" "),
  ..."-cpu max,la57=off,svm=off,avx=off,avx2=off".split(" "),
  ..."-nodefaults -no-user-config -no-reboot -display none -serial stdio".split(" "),
];

/** What differs between guests. */
export interface BareOptions {
  /** Further words for the kernel; default `omerta.bare=1`. */
  readonly append?: string;
  /** Path of a raw disk. */
  readonly disk?: string;
  readonly memoryMib?: number;
  /** False: the guest is told nothing. */
  readonly seeded?: boolean;
  /** What it is told besides, in the place of what it would be. */
  readonly told?: readonly SeedFile[];
}

/** Why no guest can be booted here, or `undefined`. */
export async function bareGuestProblem(): Promise<string | undefined> {
  const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);
  if (!await isThere(QEMU)) return "qemu: it is not installed";
  if (!await isThere(`${IMAGE}manifest.json`)) return "native: scripts/image has not made an image";
  return undefined;
}

/** A guest that boots, runs or has ended. Times are in ms since QEMU was started. */
export class BareGuest implements AsyncDisposable {
  /** What came over the serial console. */
  console = "";
  /** Becomes QEMU's exit status; the guest's end is QEMU's end. */
  readonly ended: Promise<number>;
  readonly pid: number;
  /** When QEMU was started, on the clock of `performance`. */
  readonly began = performance.now();
  readonly #qemu: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #changed = Promise.withResolvers<void>();

  private constructor(readonly folder: string, readonly port: number, args: string[]) {
    this.#qemu = new Deno.Command(QEMU, { args, stdin: "null", stdout: "piped" }).spawn();
    this.pid = this.#qemu.pid;
    this.#reading = this.#read();
    this.ended = this.#qemu.status.then(({ code }) => code);
  }

  static async start(options: BareOptions = {}): Promise<BareGuest> {
    const folder = await Deno.makeTempDir({ prefix: "omerta-bare-" });
    const port = freePort();
    return new BareGuest(folder, port, await prepare(folder, port, options));
  }

  /** Waits until a text stands on the console. Throws where the guest ends, or the time, before. */
  async until(text: string, timeoutMs = 30_000): Promise<number> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, timeoutMs);
    try {
      const isLate = () => performance.now() - this.began >= timeoutMs;
      while (!this.console.includes(text)) {
        const over = await Promise.race([this.#changed.promise, this.#over(), timeout.promise]);
        if (this.console.includes(text)) break;
        if (over === "over" || isLate()) throw new Error(`no ${text} on:\n${this.console}`);
      }
      return performance.now() - this.began;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The first bytes that a connection to the guest's ssh port gives; none where it is refused. */
  async banner(): Promise<{ text: string; ms: number }> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    const bytes = new Uint8Array(64);
    const count = await connection.read(bytes).catch(() => null) ?? 0;
    const text = new TextDecoder().decode(bytes.subarray(0, count));
    return { text, ms: performance.now() - this.began };
  }

  /** Options of ssh, scp and sftp: only this guest's host key and our own key count. */
  sshOptions(identity = "id"): string[] {
    const options = [
      "StrictHostKeyChecking=yes",
      `UserKnownHostsFile=${this.folder}/known_hosts`,
      "HostKeyAlias=guest",
      "BatchMode=yes",
      "ConnectTimeout=20",
      "LogLevel=ERROR",
      "IdentitiesOnly=yes",
    ];
    const file = `${this.folder}/${identity}`;
    return ["-F", "none", "-i", file, ...options.flatMap((option) => ["-o", option])];
  }

  /** Runs a command in the guest. */
  ssh(command: string, identity = "id"): Promise<{ code: number; text: string }> {
    const target = ["-p", String(this.port), "root@127.0.0.1", command];
    return run("ssh", [...this.sshOptions(identity), ...target]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#qemu.kill("SIGKILL");
    } catch {
      // it has ended by itself
    }
    await this.ended;
    await this.#reading;
    await Deno.remove(this.folder, { recursive: true });
  }

  async #over(): Promise<"over"> {
    await this.#reading;
    return "over";
  }

  async #read(): Promise<void> {
    const text = this.#qemu.stdout.pipeThrough(new TextDecoderStream());
    for await (const piece of text) {
      this.console += piece;
      const changed = this.#changed;
      this.#changed = Promise.withResolvers();
      changed.resolve();
    }
  }
}

/** Runs a program to its end; its status, and all that it wrote. */
export async function run(
  program: string,
  args: string[],
): Promise<{ code: number; text: string }> {
  const output = await new Deno.Command(program, { args, stdin: "null" }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(output.stdout) + decoder.decode(output.stderr);
  return { code: output.code, text };
}

/** Writes what a guest needs into a folder; QEMU's arguments. */
async function prepare(folder: string, port: number, options: BareOptions): Promise<string[]> {
  const parsed = parseManifest(await Deno.readFile(`${IMAGE}manifest.json`));
  if (!parsed.ok) throw new Error(`manifest: ${parsed.reason}`);
  const { kernel, initrd, append } = parsed.value;
  const image = await Deno.readFile(IMAGE + initrd.file);
  const seed = options.seeded === false ? new Uint8Array() : await makeSeed(folder);
  const told = options.told === undefined ? new Uint8Array() : buildSeed(options.told);
  await Deno.writeFile(`${folder}/initrd`, concatBytes(seed, told, image));
  const words = `${append} ${options.append ?? "omerta.bare=1"} tsc_early_khz=${await tscKhz()}`;
  const disk = `if=none,id=disk,format=raw,file=${options.disk ?? ""}`;
  return [
    ...MACHINE,
    ...["-m", String(options.memoryMib ?? 128), "-smp", "1"],
    ...["-kernel", IMAGE + kernel.file, "-initrd", `${folder}/initrd`, "-append", words],
    ...["-netdev", `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:22`],
    ...["-device", "virtio-net-device,netdev=net"],
    ...(options.disk === undefined
      ? []
      : ["-drive", disk, "-device", "virtio-blk-device,drive=disk"]),
  ];
}

/** A seed with new keys; leaves our ssh key, a stranger's, and known hosts in the folder. */
async function makeSeed(folder: string): Promise<Uint8Array> {
  const host = generateKeyPairSync("ed25519");
  const hostPublicKey = rawKey(host.publicKey, "x");
  const [line] = await Promise.all([makeSshKey(`${folder}/id`), makeSshKey(`${folder}/stranger`)]);
  await Deno.writeTextFile(`${folder}/known_hosts`, `guest ${sshHostKeyLine(hostPublicKey)}\n`);
  const seed: GuestSeed = {
    wgPrivateKey: rawKey(generateKeyPairSync("x25519").privateKey, "d"),
    peerPublicKey: rawKey(generateKeyPairSync("x25519").publicKey, "x"),
    address: "fd4f:6d65:7274::2",
    peerAddress: "fd4f:6d65:7274::1",
    hostKeySeed: rawKey(host.privateKey, "d"),
    hostPublicKey,
    entropy: randomBytes(64),
    authorizedKeys: [line],
    hostname: "bare-guest",
  };
  return guestSeed(seed);
}

async function makeSshKey(path: string): Promise<string> {
  const { text } = await run("ssh-keygen", "-q -t ed25519 -N".split(" ").concat("", "-f", path));
  if (text !== "") throw new Error(`ssh-keygen: ${text}`);
  const parsed = parseSshPublicKey(await Deno.readTextFile(`${path}.pub`));
  if (!parsed.ok) throw new Error(`ssh-keygen: ${parsed.reason}`);
  return parsed.value.line;
}

function rawKey(key: KeyObject, field: "x" | "d"): Uint8Array {
  const text = key.export({ format: "jwk" })[field];
  return Uint8Array.fromBase64(String(text), { alphabet: "base64url" });
}

/** What the kernel says of this CPU's clock: near enough for a guest that lives seconds. */
async function tscKhz(): Promise<number> {
  const mhz = /^cpu MHz\s*: ([0-9.]+)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  return Math.round(Number(mhz ?? 2000) * 1000);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
