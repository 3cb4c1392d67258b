/**
 * `provider.*`: what is lent, and taking it back.
 *
 * @module
 */
import { type ErrorDoc, errorDoc } from "../../api/error_doc.ts";
import type { ProviderEvictResult, ProviderStatusResult } from "../../api/nouns/provider.ts";
import type { ApiTable } from "../../api/server.ts";
import { OmertaError, splitPeerKey, VM_PREFIX_CHARS_MIN, type VmId } from "../../base/mod.ts";
import { roomLeft } from "../../market/mod.ts";
import { resolveName } from "../../membership/mod.ts";
import type { NodeParts } from "../run/node.ts";
import { timestampOrNull } from "../../host/time.ts";
import { NOTHING } from "../../api/nouns/common.ts";
import { PROVIDER_EVICT } from "../../api/nouns/provider.ts";
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
  const confinement = views.find(({ figures }) => figures?.confinement)?.figures?.confinement ??
    accelerator?.confinement;
  return {
    accepting: roomLeft(policy, used).vms > 0,
    dry_run: provider.isDry,
    capacity: {
      cpu: policy.cpu,
      memory_bytes: policy.memoryBytes,
      storage_bytes: policy.storageBytes,
      vms: policy.maxVms,
    },
    used: {
      cpu: used.cpu,
      memory_bytes: used.memoryBytes,
      storage_bytes: used.storageBytes,
      vms: used.vms,
    },
    limits: {
      per_owner: policy.livingPerOwnerMax,
      max_lease_ms: policy.leaseMsMax,
      max_life_ms: policy.lifeMsMax,
      allow: policy.allow,
      overhead_bytes: policy.overheadBytes,
    },
    accelerator: {
      kind: accelerator?.kind ?? null,
      probed_at: timestampOrNull(accelerator?.probedAtMs ?? null),
      reason: accelerator?.reason ?? null,
      remedy: accelerator?.remedy ?? null,
    },
    confinement: { level: confinement?.level ?? null, missing: confinement?.missing ?? [] },
    vms: views.map(({ vm, figures, pid, stuck }) => ({
      id: vm.id,
      owner: splitPeerKey(vm.owner).node,
      state: vm.state,
      cpu: vm.requirements.cpu,
      memory_bytes: vm.requirements.memoryBytes,
      lease_expires_at: leaseEnd(node, vm.deadline),
      pid,
      stuck,
      dropped_frames: figures?.droppedFrames ?? null,
    })),
  };
}

async function evict(
  node: NodeParts,
  names: readonly string[],
  all: boolean,
): Promise<ProviderEvictResult> {
  const provider = requireProvider(node);
  const living = (await provider.views()).map(({ vm }) => ({ id: vm.id, alias: null }));
  const evicted: string[] = [];
  const failed: { id: string; error: ErrorDoc }[] = [];
  for (const name of all ? living.map(({ id }) => id) : names) {
    const found = resolveName(name, living, { prefixCharsMin: VM_PREFIX_CHARS_MIN });
    try {
      if (!found.ok) throw new OmertaError(found.reason, `No one VM is meant by ${name}`);
      await provider.evict(found.value.id as VmId);
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
