/**
 * Opens the provider of a node: finds QEMU and the image, finds out whether KVM works, and decides how
 * much of the machine is lent.
 *
 * @module
 */
import type { ProviderOptions } from "../api/methods.ts";
import { OmertaError, type PeerKey } from "../base/mod.ts";
import { assetPath, imageSource } from "../host/assets.ts";
import { type DiskSpace, openDiskGauge } from "../host/files.ts";
import { type Images, openImages } from "../host/images.ts";
import { checkSocketPath } from "../host/state.ts";
import {
  cpuCount,
  findExecutable,
  memoryAvailableBytes,
  memoryTotalBytes,
} from "../host/system.ts";
import {
  lendingPolicy,
  type LendingWish,
  type MachineRoom,
  OVERHEAD_BYTES,
  parseHostRow,
  type Policy,
} from "../market/mod.ts";
import { type AcceleratorVerdict, judgeAccelerator } from "./accelerator.ts";
import type { Context } from "./context.ts";
import { Provider } from "./provider.ts";
import { QemuRunner } from "./qemu_runner.ts";
import { DRY_RUNNER, type VmRunner } from "./vm_runner.ts";

/** What a provider is opened with. */
export interface OpenProvider {
  /** What the command line says; `null`: nothing. */
  readonly asked: ProviderOptions | null;
  /** Whether the peer holds the grant. */
  mayRent(peer: PeerKey): boolean;
  /** Something that the provider's record tells has changed. */
  onChange(): void;
  /** The name by which a person knows the peer; `null`: none. */
  aliasOf(peer: PeerKey): string | null;
}

/** A provider, and by what its VMs run: `null` in a dry run. */
export interface OpenedProvider {
  readonly provider: Provider;
  readonly accelerator: AcceleratorVerdict | null;
}

/**
 * Opens the provider; `start` is still to be called.
 *
 * @throws {OmertaError} `unsupported`, `qemu-missing`, `image-missing`, `image-corrupt`, `usage` where
 * the path of the state is too long for a VM's socket.
 */
export async function openProvider(
  context: Context,
  { asked, mayRent, onChange, aliasOf }: OpenProvider,
): Promise<OpenedProvider> {
  const images = openImages({
    state: context.paths.dir,
    embedded: imageSource(),
    log: (text) => context.log.error(text),
  });
  const dryRunOnly = asked?.dryRun ?? false;
  if (dryRunOnly) requireNoMachines(context);
  const real = dryRunOnly ? null : await openRunner(context, images);
  const overheadBytes = real === null ? 0 : OVERHEAD_BYTES[real.accelerator.kind];
  const disk = await openDiskGauge(context.paths.dir);
  const provider = new Provider({
    context,
    runner: real?.runner ?? DRY_RUNNER,
    dryRunner: DRY_RUNNER,
    policy: policyOf(context, asked, { overheadBytes, disk: disk() }),
    dryRunOnly,
    mayRent,
    checkImage: async (name) => (await images.find(name)).id,
    roomLeft: (promised) => roomLeft(disk(), promised),
    onChange,
    aliasOf,
  });
  return { provider, accelerator: real?.accelerator ?? null };
}

/** A dry run could not take up what really runs, and would call it lost. */
function requireNoMachines({ store }: Context): void {
  const living = store.hosted.list({ endedAtMs: null }).filter(({ row }) => {
    return (row as { dryRun?: boolean }).dryRun !== true;
  });
  const [first] = living;
  if (first === undefined) return;
  throw new OmertaError("exists", `${living.length} real VM(s) live on this state: ${first.id} …`, {
    hint: "Start the provider without --dry-run, or use another --state.",
  });
}

async function openRunner(
  context: Context,
  images: Images,
): Promise<{ runner: VmRunner; accelerator: AcceleratorVerdict }> {
  const { paths, log, store } = context;
  const qemu = requireQemu();
  checkSocketPath(`${paths.vms}/${"x".repeat(16)}/ctl.sock`);
  const helper = await assetPath("omerta-vm", paths.dir);
  const image = await images.find("micro");
  log.info("finding out whether KVM works: a guest boots");
  const accelerator = await judgeAccelerator(store, {
    helper,
    qemu,
    image,
    nowMs: context.wallMs(),
  });
  log.info(`VMs run by ${accelerator.kind}: ${accelerator.reason}`);
  const { kind, confinement: { level } } = accelerator;
  const runner = new QemuRunner({
    directory: paths.vms,
    helper,
    qemu,
    accelerator: () => kind,
    confinement: () => level,
    images,
    log,
  });
  return { runner, accelerator };
}

function requireQemu(): string {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new OmertaError("unsupported", "A provider runs on Linux on x86-64 only, for now", {
      hint: "Try the protocol with --dry-run, or rent from here.",
    });
  }
  const qemu = findExecutable(Deno.env.get("OMERTA_QEMU") ?? "qemu-system-x86_64");
  if (qemu !== undefined) return qemu;
  throw new OmertaError("qemu-missing", "QEMU is not installed", {
    hint: "Install it (Debian: apt install qemu-system-x86), or try with --dry-run.",
  });
}

function policyOf(
  context: Context,
  asked: ProviderOptions | null,
  { overheadBytes, disk }: { readonly overheadBytes: number; readonly disk: DiskSpace },
): Policy {
  const policy = lendingPolicy({
    cpus: cpuCount(),
    memoryBytes: memoryTotalBytes(),
    storageBytes: disk.freeBytes - diskFloor(disk) + allocatedBytes(context),
    overheadBytes,
    dryRun: asked?.dryRun ?? false,
  }, asked === null ? NO_WISH : wishOf(asked));
  if (policy.ok) return policy.value;
  throw new OmertaError("bad-size", policy.reason, {
    hint: "Leave the flag out: then half of what is there is lent.",
  });
}

const NO_WISH: LendingWish = {
  maxVms: null,
  cpu: null,
  memoryBytes: null,
  storageBytes: null,
  maxLeaseMs: null,
  maxLifeMs: null,
  perOwner: null,
  allow: [],
};

function wishOf({ allow, dryRun: _dryRun, ...wish }: ProviderOptions): LendingWish {
  return { ...wish, allow: allow as LendingWish["allow"] };
}

/** Of the disk, this is not lent: a file system that is full to the brim serves nobody well. Guess. */
function diskFloor({ totalBytes }: DiskSpace): number {
  return Math.min(2 * 2 ** 30, Math.floor(totalBytes / 20));
}

/** Of the memory, this is not lent: what the system needs to breathe. Guess. */
function memoryFloor(): number {
  return Math.min(256 * 2 ** 20, Math.floor(memoryTotalBytes() / 16));
}

/** The disks of VMs of before a restart: they are not free, and lent already. */
function allocatedBytes({ store }: Context): number {
  return store.hosted.list({ endedAtMs: null }).reduce((sum, { row }) => {
    const parsed = parseHostRow(row);
    return parsed.ok && !parsed.value.dryRun ? sum + parsed.value.requirements.storageBytes : sum;
  }, 0);
}

/** What the machine has left for one more VM at this moment. */
function roomLeft(disk: DiskSpace, promised: MachineRoom): MachineRoom {
  return {
    memoryBytes: memoryAvailableBytes() - memoryFloor() - promised.memoryBytes,
    storageBytes: disk.freeBytes - diskFloor(disk) - promised.storageBytes,
  };
}
