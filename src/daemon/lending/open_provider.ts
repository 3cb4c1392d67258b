/**
 * Opens the provider of a node: finds QEMU and the image, finds out whether KVM works, and decides how
 * much of the machine is lent.
 *
 * @module
 */
import type { ProviderOptions } from "../options.ts";
import { OmertaError, type PeerKey } from "../../base/mod.ts";
import { assetPath, imageSource } from "../../host/assets.ts";
import { type DiskSpace, openDiskGauge } from "../../host/files.ts";
import { type Images, openImages, type VerifiedImage } from "../../host/vm/images.ts";
import { kvmAccess, kvmCircumstances, kvmRemedy, userNamespaceRemedy } from "../../host/vm/kvm.ts";
import { checkSocketPath } from "../../host/state/state.ts";
import {
  cpuCount,
  findExecutable,
  memoryAvailableBytes,
  memoryTotalBytes,
} from "../../host/system.ts";
import { type ConfinementLevel, probeKvm } from "../../host/vm/helper.ts";
import {
  lendingPolicy,
  type LendingWish,
  type MachineRoom,
  OVERHEAD_BYTES,
  parseHostRow,
  type Policy,
} from "../../market/mod.ts";
import { Accelerator } from "../../host/vm/accelerator.ts";
import {
  confinementRemedy,
  isConfined,
  LEAST_CONFINEMENT,
  requireConfinement,
} from "../../host/vm/confinement.ts";
import type { Context } from "../context.ts";
import { Provider } from "./provider.ts";
import { QemuRunner } from "../../host/vm/qemu_runner.ts";
import { DryRunner } from "../../host/vm/dry_runner.ts";
import type { VmRunner } from "../../host/vm/vm_runner.ts";

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
  readonly accelerator: Accelerator | null;
}

/**
 * Opens the provider; `start` is still to be called.
 *
 * @throws {OmertaError} `unsupported`, `qemu-missing`, `image-missing`, `image-corrupt`, `bad-size` and
 * `weak-isolation` where more is asked of this machine than it has; `usage` where the path of the state
 * is too long for a VM's socket.
 */
export async function openProvider(
  context: Context,
  parts: OpenProvider,
): Promise<OpenedProvider> {
  const { asked } = parts;
  const images = openImages({
    state: context.paths.dir,
    embedded: imageSource(),
    log: (text) => context.log.error(text),
  });
  const dryRunOnly = asked?.dryRun ?? false;
  if (dryRunOnly) requireNoMachines(context);
  const least = asked?.acceptWeakIsolation ?? LEAST_CONFINEMENT;
  const changed = { do: () => {} };
  const onVerdict = () => changed.do();
  const real = dryRunOnly ? null : await openRunner(context, { images, least, onVerdict });
  try {
    const provider = await makeProvider(context, parts, { images, real });
    changed.do = () => real !== null && followVerdict(provider, real.accelerator, least);
    return { provider, accelerator: real?.accelerator ?? null };
  } catch (error) {
    real?.accelerator.close();
    throw error;
  }
}

async function makeProvider(
  context: Context,
  { asked, mayRent, onChange, aliasOf }: OpenProvider,
  { images, real }: { readonly images: Images; readonly real: Real | null },
): Promise<Provider> {
  const overheadBytes = real === null ? 0 : OVERHEAD_BYTES[real.accelerator.kind];
  const disk = await openDiskGauge(context.paths.dir);
  const dryRunner = new DryRunner();
  return new Provider({
    context,
    runner: real?.runner ?? dryRunner,
    dryRunner,
    policy: policyOf(context, asked, { overheadBytes, disk: disk() }),
    dryRunOnly: real === null,
    mayRent,
    checkImage: async (name) => {
      const { id: digest, guest } = await images.find(name);
      return { digest, guest };
    },
    roomLeft: (promised) => roomLeft(disk(), promised),
    onChange,
    aliasOf,
  });
}

/** Another accelerator takes other memory; and where QEMU is confined too badly now, nothing begins. */
function followVerdict(
  provider: Provider,
  { kind, confinement }: Accelerator,
  least: ConfinementLevel,
): void {
  provider.setPolicy({
    ...provider.policy,
    overheadBytes: OVERHEAD_BYTES[kind],
    accepting: isConfined(confinement.level, least),
  });
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

/** What really runs VMs. */
interface Real {
  readonly runner: VmRunner;
  readonly accelerator: Accelerator;
}

async function openRunner(
  context: Context,
  { images, least, onVerdict }: {
    readonly images: Images;
    readonly least: ConfinementLevel;
    readonly onVerdict: () => void;
  },
): Promise<Real> {
  const { paths, log } = context;
  const qemu = requireQemu();
  checkSocketPath(`${paths.vms}/${"x".repeat(16)}/ctl.sock`);
  const helper = await assetPath("omerta-vm", paths.dir);
  const image = await images.find("micro");
  const accelerator = await openAccelerator(context, { helper, qemu, image }, onVerdict);
  try {
    sayConfinement(context, accelerator.confinement, least);
  } catch (error) {
    accelerator.close();
    throw error;
  }
  const runner = new QemuRunner({
    directory: paths.vms,
    helper,
    qemu,
    accelerator: () => accelerator.kind,
    confinement: () => accelerator.confinement.level,
    least,
    doubt: () => accelerator.doubt(),
    images,
    log,
  });
  return { runner, accelerator };
}

async function openAccelerator(
  { store, log, wallMs }: Context,
  programs: { readonly helper: string; readonly qemu: string; readonly image: VerifiedImage },
  onChange: () => void,
): Promise<Accelerator> {
  const { helper, qemu, image } = programs;
  const { kernel, initrd, manifest } = image;
  const append = `${manifest.append} omerta.probe=1`;
  const accelerator = await Accelerator.open({
    store,
    log,
    programs: [...await Promise.all([qemu, helper].map(fingerprint)), image.id].join(" "),
    circumstances: kvmCircumstances,
    remedy: () => kvmRemedy(kvmAccess()),
    probe: (timeoutMs) => probeKvm({ helper, qemu, kernel, initrd, append, timeoutMs }),
    wallMs,
    onChange,
  });
  const { kind, reason, remedy } = accelerator;
  if (kind === "kvm") log.info(`VMs run by KVM: ${reason}`);
  else {
    const mend = remedy === null ? "it is tried again" : `to mend it, ${remedy}`;
    log.warn(`VMs are emulated, ten times slower than by KVM: ${reason}; ${mend}`);
  }
  return accelerator;
}

/** A text that changes with a program. */
async function fingerprint(path: string): Promise<string> {
  const { size, mtime } = await Deno.stat(path);
  return `${path} ${size} ${mtime?.getTime() ?? 0}`;
}

/** @throws {OmertaError} `weak-isolation`. */
function sayConfinement(
  { log }: Context,
  confinement: Accelerator["confinement"],
  least: ConfinementLevel,
): void {
  const { level, missing } = confinement;
  const remedy = confinementRemedy(missing, userNamespaceRemedy());
  requireConfinement(confinement, least, remedy);
  if (missing.length === 0) return log.info(`QEMU is confined: ${level}`);
  const mend = remedy === null ? "" : `; to mend it, ${remedy}`;
  log.warn(`QEMU is confined: ${level}, without ${missing.join(", ")}${mend}`);
}

function requireQemu(): string {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new OmertaError("unsupported", "A provider runs on Linux on x86-64 only, for now", {
      hint: "Try the protocol with --dry-run, or rent from here.",
    });
  }
  const named = Deno.env.get("OMERTA_QEMU") ?? "";
  const qemu = findExecutable(named === "" ? "qemu-system-x86_64" : named);
  if (qemu !== undefined) return qemu;
  if (named !== "") {
    throw new OmertaError("qemu-missing", `OMERTA_QEMU names no program: ${named}`, {
      hint: "Name the QEMU that is to run, or leave the variable out.",
    });
  }
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

function wishOf(asked: ProviderOptions): LendingWish {
  const { allow, dryRun: _, acceptWeakIsolation: __, ...wish } = asked;
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
