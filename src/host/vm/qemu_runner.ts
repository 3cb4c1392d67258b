/**
 * Runs VMs by the helper: one process per VM, in a directory of its own below `vms/`.
 *
 * ```text
 *   vms/ID/  seed.cpio (the helper removes it)  disk.raw  lock  ctl.sock  exit.json  console
 * ```
 *
 * @module
 */
import { isVmId, OmertaError, unreachable, type VmId } from "../../base/mod.ts";
import { delay } from "../delay.ts";
import { writeFileAtomic } from "../files.ts";
import type { Images } from "./images.ts";
import type { Log } from "../log.ts";
import {
  connectHelper,
  type HelperClient,
  type HelperExit,
  type HelperStatus,
  isHelperAlive,
  readHelperExit,
  startHelper,
} from "./helper.ts";
import { helperOf, killHelper, untilHelperGone } from "./helper_kill.ts";
import { residentBytes } from "../system.ts";
import type { Confinement, EndReason } from "../../market/mod.ts";
import { launchSpec, type Seed } from "../../vm/mod.ts";
import { isConfined } from "./confinement.ts";
import {
  type RunningVm,
  STUCK,
  type VmFigures,
  type VmHappening,
  type VmRunner,
  type VmStart,
} from "./vm_runner.ts";
import { within } from "../waiting.ts";

/** A helper of before a restart gets so long, by the clock, to listen and to answer. Guess. */
const ADOPT_MS = 3_000;
const LISTEN_RETRY_MS = 50;

/** With what QEMU is run. */
export interface QemuRunnerParts {
  /** Where the VMs' directories are. */
  readonly directory: string;
  readonly helper: string;
  readonly qemu: string;
  /** By what VMs are run now, and how QEMU is confined: both may become better while a node runs. */
  accelerator(): "kvm" | "tcg";
  confinement(): Confinement;
  /** The least confinement with which a VM may run. */
  readonly least: Confinement;
  /** A VM could not be started under KVM. */
  doubt(): void;
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
    return this.#parts.accelerator();
  }

  get confinement(): Confinement {
    return this.#parts.confinement();
  }

  async start(vm: VmStart, happens: Happens): Promise<RunningVm> {
    const { requirements } = vm;
    const image = await this.#parts.images.find(requirements.image);
    const dir = this.#directoryOf(vm.id);
    Deno.mkdirSync(dir, { mode: 0o700 });
    const seed = writeSeed(dir, vm.seed);
    const disk = requirements.storageBytes > 0 ? `${dir}/disk.raw` : undefined;
    if (disk !== undefined) await makeDisk(disk, requirements.storageBytes);
    const spec = launchSpec({
      qemu: this.#parts.qemu,
      kernel: image.kernel,
      initrd: image.initrd,
      seed,
      append: image.manifest.append,
      size: requirements,
      accel: this.accelerator,
      disk,
      leaseMs: Math.round(requirements.leaseMs),
      lifeMs: Math.max(1, Math.round(vm.lifeMs)),
    });
    await this.#startHelper(dir, spec);
    const running = await this.#follow(dir, happens);
    await this.#requireConfined(running);
    return running;
  }

  async #startHelper(dir: string, spec: string): Promise<void> {
    try {
      await startHelper({ helper: this.#parts.helper, dir, spec });
    } catch (error) {
      if (error instanceof OmertaError && error.code === "vm-failed") this.#parts.doubt();
      throw error;
    }
  }

  /** The probe's word is of another moment: this is of this VM. */
  async #requireConfined(running: HelpedVm): Promise<void> {
    const { level } = running;
    if (isConfined(level, this.#parts.least)) return;
    running.isDetached = true; // its end is told by the failure
    await running.stop().catch(() => {}); // what then still runs is killed
    running.detach();
    throw new OmertaError("weak-isolation", `QEMU was confined no better than "${level}"`);
  }

  async adopt(id: VmId, happens: Happens): Promise<RunningVm | null | typeof STUCK> {
    const dir = this.#directoryOf(id);
    const until = performance.now() + ADOPT_MS;
    let isDeaf = false; // nobody listens, although the lock is held
    while (await isHelperAlive(dir)) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) return isDeaf && await killHelper(dir) ? null : STUCK;
      const found = await within(leftMs, this.#follow(dir, happens), (late) => late.detach());
      if (found.type === "done") return found.value;
      if (found.type === "late") return STUCK;
      isDeaf = found.error instanceof OmertaError && found.error.code === "not-found";
      await delay(LISTEN_RETRY_MS);
    }
    return null;
  }

  async pidOf(id: VmId): Promise<number | null> {
    return await helperOf(this.#directoryOf(id)) ?? null;
  }

  async isGone(id: VmId): Promise<boolean> {
    return await untilHelperGone(this.#directoryOf(id));
  }

  async kill(id: VmId): Promise<boolean> {
    return await killHelper(this.#directoryOf(id));
  }

  /** @throws {OmertaError} `vm-failed` where something of it still runs: its lock is the proof. */
  async sweep(id: VmId): Promise<void> {
    const dir = this.#directoryOf(id);
    if (await isHelperAlive(dir)) {
      throw new OmertaError("vm-failed", `The VM ${id} still runs: its directory stays`);
    }
    await Deno.remove(dir, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  found(): VmId[] {
    return [...Deno.readDirSync(this.#parts.directory)].map(({ name }) => name).filter(isVmId);
  }

  async #follow(dir: string, happens: Happens): Promise<HelpedVm> {
    const client = await connectHelper(dir);
    let wasReady = false;
    let last: HelperStatus | undefined;
    const watch = await client.watch((status) => {
      if (status.trouble !== (last?.trouble ?? null)) this.#tellTrouble(dir, status);
      last = status;
      if (status.state !== "ready" || wasReady) return;
      wasReady = true;
      happens({ type: "ready", bootMs: status.bootMs });
    });
    const running = new HelpedVm(dir, client, {
      unwatch: () => watch.close(),
      last: () => last,
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

  #tellTrouble(dir: string, { trouble }: HelperStatus): void {
    const vm = dir.slice(this.#parts.directory.length + 1);
    if (trouble === null) return this.#parts.log.info("a VM's disk can be written again", { vm });
    this.#parts.log.warn("a VM stands still: its disk cannot be written; make room", { vm });
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
  "disk": "disk",
  "error": "failed",
};

class HelpedVm implements RunningVm {
  readonly control: string;
  isDetached = false;
  readonly #client: HelperClient;
  readonly #unwatch: () => void;
  readonly #last: () => HelperStatus | undefined;

  constructor(
    dir: string,
    client: HelperClient,
    parts: { readonly unwatch: () => void; readonly last: () => HelperStatus | undefined },
  ) {
    this.control = `${dir}/ctl.sock`;
    this.#last = parts.last;
    this.#client = client;
    this.#unwatch = parts.unwatch;
  }

  /** How its QEMU is confined. */
  get level(): Confinement {
    return this.#last()?.level ?? "basic";
  }

  residentBytes(): number {
    const pid = this.#last()?.qemuPid ?? 0;
    return pid === 0 ? 0 : residentBytes(pid);
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

/** Writes the guest's seed where the helper takes it, in whatever form; its path. */
function writeSeed(dir: string, seed: Seed): string {
  switch (seed.form) {
    case "initramfs": {
      const path = `${dir}/seed.cpio`;
      writeFileAtomic(path, seed.bytes);
      return path;
    }
    default:
      return unreachable(seed.form);
  }
}

/** A raw disk of holes: the helper takes the room for all of it before QEMU starts, or fails. */
async function makeDisk(path: string, bytes: number): Promise<void> {
  try {
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    await file.truncate(bytes);
  } catch (cause) {
    throw new OmertaError("disk-full", "There is no room for the VM's disk", { cause });
  }
}
