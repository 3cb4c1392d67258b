/**
 * Opens the provider of a node: finds QEMU and the image, finds out whether KVM works, and decides how
 * much of the machine is lent.
 *
 * @module
 */
import type { ProviderOptions } from "../api/methods.ts";
import { OmertaError, type PeerKey } from "../base/mod.ts";
import { assetPath, imageSource } from "../host/assets.ts";
import { freeBytes } from "../host/files.ts";
import { type Images, openImages } from "../host/images.ts";
import { checkSocketPath } from "../host/state.ts";
import { cpuCount, findExecutable, memoryTotalBytes } from "../host/system.ts";
import { defaultPolicy, type Policy } from "../market/mod.ts";
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
  { asked, mayRent, onChange }: OpenProvider,
): Promise<OpenedProvider> {
  const images = openImages({
    state: context.paths.dir,
    embedded: imageSource(),
    log: (text) => context.log.error(text),
  });
  const dryRunOnly = asked?.dryRun ?? false;
  if (dryRunOnly) requireNoMachines(context);
  const real = dryRunOnly ? null : await openRunner(context, images);
  const provider = new Provider({
    context,
    runner: real?.runner ?? DRY_RUNNER,
    dryRunner: DRY_RUNNER,
    policy: await policyOf(context, asked),
    dryRunOnly,
    mayRent,
    checkImage: async (name) => (await images.find(name)).id,
    onChange,
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
    accelerator: kind,
    confinement: level,
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

async function policyOf(context: Context, asked: ProviderOptions | null): Promise<Policy> {
  const policy = defaultPolicy({
    cpus: cpuCount(),
    memoryBytes: memoryTotalBytes(),
    storageBytes: await freeBytes(context.paths.dir),
  });
  const allow = asked?.allow ?? [];
  return {
    ...policy,
    maxVms: asked?.maxVms ?? policy.maxVms,
    cpu: asked?.cpu ?? policy.cpu,
    memoryBytes: asked?.memoryBytes ?? policy.memoryBytes,
    allow: allow.length === 0 ? null : allow as Policy["allow"],
  };
}
