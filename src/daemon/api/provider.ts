/**
 * `provider.*`: what is lent, and taking it back.
 *
 * @module
 */
import { type ErrorDoc, errorDoc } from "../../api/error_doc.ts";
import { NOTHING } from "../../api/nouns/common.ts";
import {
  PROVIDER_EVICT,
  type ProviderEvictResult,
  type ProviderLimits,
  type ProviderRoom,
  type ProviderStatusResult,
  type ProviderVmDoc,
} from "../../api/nouns/provider.ts";
import type { ApiTable } from "../../api/server.ts";
import { OmertaError, splitPeerKey, VM_PREFIX_CHARS_MIN } from "../../base/mod.ts";
import { type Policy, roomLeft, type Used } from "../../market/mod.ts";
import { resolveName } from "../../membership/mod.ts";
import type { HostedView } from "../lending/provider.ts";
import type { NodeParts } from "../run/node.ts";
import { timestampOrNull } from "../../host/time.ts";
import { leaseEnd, type TableParts } from "./parts.ts";

/** All methods about lending. */
export function providerMethods({ node }: TableParts): ApiTable {
  return {
    "provider.status": { input: NOTHING, run: () => providerStatus(node) },
    "provider.evict": {
      input: PROVIDER_EVICT,
      run: ({ vms, all }) => evict(node, vms, all),
    },
  };
}

async function providerStatus(node: NodeParts): Promise<ProviderStatusResult> {
  const provider = requireProvider(node);
  const { policy } = provider;
  const used = provider.used();
  const views = await provider.views();
  const { accelerator } = node;
  // A machine's own word is of now, the probe's of its time.
  const confinement = views.find(({ figures }) => figures?.confinement)?.figures?.confinement ??
    accelerator?.confinement;
  return {
    accepting: roomLeft(policy, used).vms > 0,
    dry_run: provider.isDry,
    capacity: roomDoc({ ...policy, vms: policy.maxVms }),
    used: roomDoc(used),
    limits: limitsDoc(policy),
    accelerator: acceleratorDoc(accelerator),
    confinement: { level: confinement?.level ?? null, missing: confinement?.missing ?? [] },
    vms: views.map((view) => vmDoc(node, view)),
  };
}

function roomDoc({ cpu, memoryBytes, storageBytes, vms }: Used): ProviderRoom {
  return { cpu, memory_bytes: memoryBytes, storage_bytes: storageBytes, vms };
}

function limitsDoc(policy: Policy): ProviderLimits {
  return {
    per_owner: policy.livingPerOwnerMax,
    max_lease_ms: policy.leaseMsMax,
    max_life_ms: policy.lifeMsMax,
    allow: policy.allow,
    overhead_bytes: policy.overheadBytes,
  };
}

function acceleratorDoc(
  accelerator: NodeParts["accelerator"],
): ProviderStatusResult["accelerator"] {
  return {
    kind: accelerator?.kind ?? null,
    probed_at: timestampOrNull(accelerator?.probedAtMs ?? null),
    reason: accelerator?.reason ?? null,
    remedy: accelerator?.remedy ?? null,
  };
}

function vmDoc(node: NodeParts, { vm, figures, pid, stuck }: HostedView): ProviderVmDoc {
  return {
    id: vm.id,
    owner: splitPeerKey(vm.owner).node,
    state: vm.state,
    cpu: vm.requirements.cpu,
    memory_bytes: vm.requirements.memoryBytes,
    lease_expires_at: leaseEnd(node, vm.deadline),
    pid,
    stuck,
    dropped_frames: figures?.droppedFrames ?? null,
  };
}

async function evict(
  node: NodeParts,
  names: readonly string[],
  all: boolean,
): Promise<ProviderEvictResult> {
  const provider = requireProvider(node);
  const living = provider.living().map(({ id }) => ({ id, alias: null }));
  const evicted: string[] = [];
  const failed: { id: string; error: ErrorDoc }[] = [];
  for (const name of all ? living.map(({ id }) => id) : names) {
    const found = resolveName(name, living, { prefixCharsMin: VM_PREFIX_CHARS_MIN });
    try {
      if (!found.ok) throw new OmertaError(found.reason, `No one VM is meant by ${name}`);
      await provider.evict(found.value.id);
      evicted.push(found.value.id);
    } catch (error) {
      failed.push({ id: name, error: errorDoc(error) });
    }
  }
  return { evicted, failed };
}

function requireProvider({ provider }: NodeParts): NonNullable<NodeParts["provider"]> {
  if (provider !== null) return provider;
  throw new OmertaError("no-node", "The node of this state is no provider", {
    hint: "Start one with 'omerta provider'.",
  });
}
