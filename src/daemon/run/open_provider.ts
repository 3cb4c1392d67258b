/**
 * Opens the provider of a node: with what runs its VMs, and how much of the machine is lent.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import { imageSource } from "../../host/assets.ts";
import type { Accelerator } from "../../host/vm/accelerator.ts";
import { isConfined, LEAST_CONFINEMENT } from "../../host/vm/confinement.ts";
import { DryRunner } from "../../host/vm/dry_runner.ts";
import { type MachineGauge, openMachineGauge } from "../../host/vm/gauge.ts";
import { type Images, openImages } from "../../host/vm/images.ts";
import { type OpenedRunner, openRunner } from "../../host/vm/open_runner.ts";
import {
  type Confinement,
  lendingPolicy,
  type LendingWish,
  type MachineSize,
  OVERHEAD_BYTES,
  type Policy,
} from "../../market/mod.ts";
import type { Context } from "./context.ts";
import { Provider } from "../lending/provider.ts";
import { allocatedBytes, requireNoMachines } from "../lending/rows.ts";
import type { ProviderOptions } from "../options.ts";
import { lendingPorts } from "./lending_ports.ts";

/** What a provider is opened with. */
export interface OpenProvider {
  /** What the command line says; `null`: nothing. */
  readonly asked: ProviderOptions | null;
  /** Something that the provider's record tells has changed. */
  onChange(): void;
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
 * `weak-isolation` where more is asked of this machine than it has; `exists` where a dry run finds VMs that
 * really run; `usage` where the path of the state is too long for a VM's socket.
 */
export async function openProvider(
  context: Context,
  parts: OpenProvider,
): Promise<OpenedProvider> {
  const { paths, log, store } = context;
  const { asked } = parts;
  const images = openImages({
    state: paths.dir,
    embedded: imageSource(),
    log: (text) => log.error(text),
  });
  const isDry = asked?.dryRun ?? false;
  if (isDry) requireNoMachines(store.hosted);
  const least = asked?.acceptWeakIsolation ?? LEAST_CONFINEMENT;
  const changed = { do: () => {} };
  const wallMs = () => context.wallMs();
  const onVerdict = () => changed.do();
  const real = isDry
    ? null
    : await openRunner({ paths, store, log, images, least, wallMs, onVerdict });
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
  { asked, onChange }: OpenProvider,
  { images, real }: { readonly images: Images; readonly real: OpenedRunner | null },
): Promise<Provider> {
  const gauge = await openMachineGauge(context.paths.dir);
  const overheadBytes = real === null ? 0 : OVERHEAD_BYTES[real.accelerator.kind];
  return new Provider({
    ports: lendingPorts(context),
    runners: { real: real?.runner ?? null, dry: new DryRunner() },
    policy: policyOf(asked, { ...sizeOf(context, gauge), overheadBytes }),
    ground: {
      checkImage: async (name) => {
        const { id: digest, guest } = await images.find(name);
        return { digest, guest };
      },
      roomLeft: (promised) => gauge.roomLeft(promised),
    },
    onChange,
  });
}

/** What the machine has; the disks of VMs that live are not free, and yet to be counted. */
function sizeOf({ store }: Context, gauge: MachineGauge): MachineSize {
  const size = gauge.size();
  return { ...size, storageBytes: size.storageBytes + allocatedBytes(store.hosted) };
}

/** Another accelerator takes other memory; and where QEMU is confined too badly now, nothing begins. */
function followVerdict(
  provider: Provider,
  { kind, confinement }: Accelerator,
  least: Confinement,
): void {
  provider.setPolicy({
    ...provider.policy,
    overheadBytes: OVERHEAD_BYTES[kind],
    accepting: isConfined(confinement.level, least),
  });
}

function policyOf(
  asked: ProviderOptions | null,
  machine: MachineSize & { readonly overheadBytes: number },
): Policy {
  const ground = { ...machine, dryRun: asked?.dryRun ?? false };
  const policy = lendingPolicy(ground, asked === null ? NO_WISH : wishOf(asked));
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
