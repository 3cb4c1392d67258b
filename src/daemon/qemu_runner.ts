/**
 * Runs VMs by the helper: one process per VM, in a directory of its own below `vms/`.
 *
 * ```text
 *   vms/ID/  seed.cpio (the helper removes it)  disk.raw  lock  ctl.sock  exit.json  console
 * ```
 *
 * @module
 */
import { isVmId, OmertaError, type VmId } from "../base/mod.ts";
import { writeFileAtomic } from "../host/files.ts";
import type { Images } from "../host/images.ts";
import type { Log } from "../host/log.ts";
import {
  type ConfinementLevel,
  connectHelper,
  type HelperClient,
  type HelperExit,
  type HelperStatus,
  isHelperAlive,
  readHelperExit,
  startHelper,
} from "../host/vm_helper.ts";
import { residentBytes } from "../host/system.ts";
import type { EndReason } from "../market/mod.ts";
import { launchSpec } from "../vm/mod.ts";
import type { RunningVm, VmFigures, VmHappening, VmRunner, VmStart } from "./vm_runner.ts";

const MIB = 2 ** 20;
/** A helper that holds its lock but does not listen yet gets so long. Guess. */
const LISTEN_MS = 3_000;
const LISTEN_RETRY_MS = 50;

/** With what QEMU is run. */
export interface QemuRunnerParts {
  /** Where the VMs' directories are. */
  readonly directory: string;
  readonly helper: string;
  readonly qemu: string;
  readonly accelerator: "kvm" | "tcg";
  readonly confinement: ConfinementLevel;
  readonly images: Images;
  readonly log: Log;
}

type Happens = (happening: VmHappening) => void;

/** Runs VMs with QEMU. */
export class QemuRunner implements VmRunner {
  readonly #parts: QemuRunnerParts;

  constructor(parts: QemuRunnerParts) {
    this.#parts = parts;
    Deno.mkdirSync(parts.directory, { recursive: true, mode: 0o700 });
  }

  get accelerator(): "kvm" | "tcg" {
    return this.#parts.accelerator;
  }

  get confinement(): ConfinementLevel {
    return this.#parts.confinement;
  }

  async start(vm: VmStart, happens: Happens): Promise<RunningVm> {
    const { requirements } = vm;
    const image = await this.#parts.images.find(requirements.image);
    const dir = this.#directoryOf(vm.id);
    Deno.mkdirSync(dir, { mode: 0o700 });
    const seed = `${dir}/seed.cpio`;
    writeFileAtomic(seed, vm.seed);
    const disk = requirements.storageBytes > 0 ? `${dir}/disk.raw` : undefined;
    if (disk !== undefined) await makeDisk(disk, requirements.storageBytes);
    const spec = launchSpec({
      qemu: this.#parts.qemu,
      kernel: image.kernel,
      initrd: image.initrd,
      seed,
      append: image.manifest.append,
      cpus: requirements.cpu,
      memoryMib: Math.floor(requirements.memoryBytes / MIB),
      accel: this.#parts.accelerator,
      disk,
      leaseMs: Math.round(requirements.leaseMs),
      lifeMs: Math.max(1, Math.round(vm.lifeMs)),
    });
    await startHelper({ helper: this.#parts.helper, dir, spec });
    return await this.#follow(dir, happens);
  }

  async adopt(id: VmId, happens: Happens): Promise<RunningVm | null> {
    const dir = this.#directoryOf(id);
    for (let waitedMs = 0; await isHelperAlive(dir); waitedMs += LISTEN_RETRY_MS) {
      try {
        return await this.#follow(dir, happens);
      } catch (error) {
        if (waitedMs >= LISTEN_MS) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, LISTEN_RETRY_MS));
    }
    return null;
  }

  async sweep(id: VmId): Promise<void> {
    await Deno.remove(this.#directoryOf(id), { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  found(): VmId[] {
    return [...Deno.readDirSync(this.#parts.directory)].map(({ name }) => name).filter(isVmId);
  }

  async #follow(dir: string, happens: Happens): Promise<RunningVm> {
    const client = await connectHelper(dir);
    let wasReady = false;
    let qemuPid = 0;
    const watch = await client.watch((status) => {
      qemuPid = status.qemuPid;
      if (status.state !== "ready" || wasReady) return;
      wasReady = true;
      happens({ type: "ready", bootMs: status.bootMs });
    });
    const running = new HelpedVm(dir, client, {
      unwatch: () => watch.close(),
      residentBytes: () => qemuPid === 0 ? 0 : residentBytes(qemuPid),
    });
    const ended = async () => {
      await watch.ended;
      if (running.isDetached) return;
      client.close();
      happens({ type: "ended", ...await this.#endOf(dir) });
    };
    ended().catch((error) => this.#parts.log.error("a VM's end is not known", { error }));
    return running;
  }

  async #endOf(dir: string): Promise<{ reason: EndReason; detail: string | null }> {
    const exit = await readHelperExit(dir).catch(() => undefined);
    if (exit === undefined) return { reason: "failed", detail: "its helper was killed" };
    return { reason: REASONS[exit.reason], detail: exit.detail === "" ? null : exit.detail };
  }

  #directoryOf(id: VmId): string {
    return `${this.#parts.directory}/${id}`;
  }
}

const REASONS: Readonly<Record<HelperExit["reason"], EndReason>> = {
  "lease": "lease",
  "life": "life",
  "stop": "released",
  "guest-exit": "guest-exit",
  "qemu-died": "failed",
  "error": "failed",
};

class HelpedVm implements RunningVm {
  readonly control: string;
  isDetached = false;
  readonly residentBytes: () => number;
  readonly #client: HelperClient;
  readonly #unwatch: () => void;

  constructor(
    dir: string,
    client: HelperClient,
    parts: { readonly unwatch: () => void; readonly residentBytes: () => number },
  ) {
    this.control = `${dir}/ctl.sock`;
    this.residentBytes = parts.residentBytes;
    this.#client = client;
    this.#unwatch = parts.unwatch;
  }

  async figures(): Promise<VmFigures> {
    return figuresOf(await this.#client.status());
  }

  async renew(leaseMs: number): Promise<void> {
    await this.#client.renew(Math.max(1, Math.round(leaseMs)));
  }

  async stop(): Promise<void> {
    await this.#client.stop();
  }

  detach(): void {
    this.isDetached = true;
    this.#unwatch();
    this.#client.close();
  }
}

function figuresOf(status: HelperStatus): VmFigures {
  const dropped = Object.values(status.dropped).reduce((sum, count) => sum + count, 0);
  return {
    pid: status.pid,
    bootMs: status.bootMs,
    leaseLeftMs: status.leaseLeftMs,
    lifeLeftMs: status.lifeLeftMs,
    ready: status.state === "ready",
    droppedFrames: dropped,
    confinement: { level: status.level, missing: status.missing },
  };
}

/** A sparse raw disk. @throws {OmertaError} `disk-full` where it could never be filled. */
async function makeDisk(path: string, bytes: number): Promise<void> {
  try {
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    await file.truncate(bytes);
  } catch (cause) {
    throw new OmertaError("disk-full", "There is no room for the VM's disk", { cause });
  }
}
