/**
 * How much of a machine its owner lends: what was said, within what there is, and the default for
 * the rest. Pure: the machine's sizes are handed in.
 *
 * @module
 */
import { fail, formatSize, type NodeId, ok, type Result } from "../base/mod.ts";
import { defaultPolicy, type MachineSize, type Policy, withShares } from "./policy.ts";

/** What the machine's owner said; `null`: nothing. */
export interface LendingWish {
  readonly maxVms: number | null;
  readonly cpu: number | null;
  readonly memoryBytes: number | null;
  readonly storageBytes: number | null;
  readonly maxLeaseMs: number | null;
  readonly maxLifeMs: number | null;
  readonly perOwner: number | null;
  /** Empty: every member with the grant. */
  readonly allow: readonly NodeId[];
}

/** What VMs are run on. */
export interface LendingGround extends MachineSize {
  /** What running a VM takes beyond its guest's memory. */
  readonly overheadBytes: number;
  /** A dry run promises nothing that the machine must have. */
  readonly dryRun: boolean;
}

/** The policy, or in one sentence what the machine has not. */
export function lendingPolicy(ground: LendingGround, wish: LendingWish): Result<Policy, string> {
  const beyond = ground.dryRun ? undefined : beyondMachine(ground, wish);
  if (beyond !== undefined) return fail(beyond);
  const usual = defaultPolicy(ground, ground.overheadBytes);
  const cpu = wish.cpu ?? usual.cpu;
  const lifeMsMax = wish.maxLifeMs ?? usual.lifeMsMax;
  const policy = withShares({
    ...usual,
    cpu,
    maxVms: Math.min(wish.maxVms ?? cpu, cpu), // every VM has a CPU at least
    memoryBytes: wish.memoryBytes ?? usual.memoryBytes,
    storageBytes: wish.storageBytes ?? usual.storageBytes,
    lifeMsMax,
    leaseMsMax: Math.min(wish.maxLeaseMs ?? usual.leaseMsMax, lifeMsMax),
    allow: wish.allow.length === 0 ? null : wish.allow,
  });
  if (wish.perOwner === null) return ok(policy);
  const perOwner = Math.min(wish.perOwner, policy.maxVms);
  return ok({ ...policy, livingPerOwnerMax: perOwner, startingPerOwnerMax: perOwner });
}

function beyondMachine(ground: LendingGround, wish: LendingWish): string | undefined {
  const { cpus, memoryBytes, storageBytes, overheadBytes } = ground;
  if (wish.cpu !== null && wish.cpu > cpus) {
    return `--cpu ${wish.cpu} is more than this machine has: ${cpus}`;
  }
  if (wish.memoryBytes !== null && wish.memoryBytes > memoryBytes) {
    return `--memory ${formatSize(wish.memoryBytes)} is more than this machine has: ${
      formatSize(memoryBytes)
    }`;
  }
  if (wish.memoryBytes !== null && wish.memoryBytes <= overheadBytes) {
    return `--memory ${formatSize(wish.memoryBytes)} lends nothing: running a VM takes ${
      formatSize(overheadBytes)
    } beside its guest's memory`;
  }
  return wish.storageBytes !== null && wish.storageBytes > storageBytes
    ? `--storage ${formatSize(wish.storageBytes)} is more than is free here: ${
      formatSize(Math.max(0, storageBytes))
    }`
    : undefined;
}
