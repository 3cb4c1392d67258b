/**
 * A provider's own limits, and the decision whether one more VM fits into them. Pure: what is used
 * already is handed in.
 *
 * @module
 */
import { type ErrorCode, formatSize, type NodeId } from "../base/mod.ts";
import { checkRequirements, type Requirements, requirementSentence } from "./requirements.ts";

/** What a provider lends, to whom, and for how long. */
export interface Policy {
  /** Most VMs at once; 0 lends nothing. */
  readonly maxVms: number;
  /** CPUs lent in all. */
  readonly cpu: number;
  /** Memory lent in all. */
  readonly memoryBytes: number;
  /** Disk space lent in all. */
  readonly storageBytes: number;
  /** Longest lease; longer wishes are cut to it. */
  readonly leaseMsMax: number;
  /** Longest life of a VM from its creation, whatever its owner renews. */
  readonly lifeMsMax: number;
  /** Whole node ids that may rent; `null`: every member with the grant `rent`. */
  readonly allow: readonly NodeId[] | null;
  /** VMs of one owner that may be reserved, creating or booting at once. */
  readonly startingPerOwnerMax: number;
  /** VMs of one owner that have not ended. */
  readonly livingPerOwnerMax: number;
  /** False: what lives goes on, nothing new begins. */
  readonly accepting: boolean;
}

/** What VMs that have not ended use in all. */
export interface Used {
  readonly vms: number;
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly storageBytes: number;
}

/** What the asking owner has already. */
export interface OwnersShare {
  readonly living: number;
  readonly starting: number;
}

/** Why a provider refuses: a stable code and one sentence for the person who asked. */
export interface Refusal {
  readonly code: Extract<ErrorCode, "provider-full" | "not-allowed" | "bad-size" | "refused">;
  readonly message: string;
}

const DAY_MS = 86_400_000;

/** The policy of a provider who said nothing: half of the machine, a day of life, two VMs a person. */
export function defaultPolicy(
  machine: { readonly cpus: number; readonly memoryBytes: number; readonly storageBytes: number },
): Policy {
  const cpu = Math.max(1, Math.floor(machine.cpus / 2));
  return {
    maxVms: Math.max(2, cpu), // guess: one per lent CPU, and two on the smallest machine
    cpu,
    memoryBytes: Math.floor(machine.memoryBytes / 2),
    storageBytes: Math.floor(machine.storageBytes / 2),
    leaseMsMax: DAY_MS,
    lifeMsMax: DAY_MS,
    allow: null,
    startingPerOwnerMax: 1,
    livingPerOwnerMax: 2,
    accepting: true,
  };
}

/** Why `owner` cannot have a VM of that size now, or `undefined` where it can. */
export function refusalOf(
  policy: Policy,
  asked: { readonly owner: NodeId; readonly requirements: Requirements },
  used: Used,
  share: OwnersShare,
): Refusal | undefined {
  return refuseOwner(policy, asked.owner) ?? refuseSize(asked.requirements) ??
    refuseEver(policy, asked.requirements) ?? refuseShare(policy, share) ??
    refuseNow(policy, asked.requirements, used);
}

/** What is left to lend under `policy`: never below 0, also where the policy was narrowed. */
export function roomLeft(policy: Policy, used: Used): Used {
  const open = policy.accepting && used.vms < policy.maxVms;
  return {
    vms: Math.max(0, policy.maxVms - used.vms),
    cpu: open ? Math.max(0, policy.cpu - used.cpu) : 0,
    memoryBytes: open ? Math.max(0, policy.memoryBytes - used.memoryBytes) : 0,
    storageBytes: open ? Math.max(0, policy.storageBytes - used.storageBytes) : 0,
  };
}

function refuseOwner(policy: Policy, owner: NodeId): Refusal | undefined {
  if (policy.allow !== null && !policy.allow.includes(owner)) {
    return { code: "not-allowed", message: "the provider does not lend to this node" };
  }
  return policy.accepting
    ? undefined
    : { code: "refused", message: "the provider takes no new VMs now" };
}

function refuseSize(wanted: Requirements): Refusal | undefined {
  const checked = checkRequirements(wanted);
  return checked.ok
    ? undefined
    : { code: "bad-size", message: requirementSentence(checked.reason) };
}

function refuseEver(policy: Policy, wanted: Requirements): Refusal | undefined {
  const lends = (what: string) => full(`the provider lends ${what} in all`);
  if (wanted.cpu > policy.cpu) return lends(counted(policy.cpu, "CPU"));
  if (wanted.memoryBytes > policy.memoryBytes) {
    return lends(`${formatSize(policy.memoryBytes)} of memory`);
  }
  return wanted.storageBytes > policy.storageBytes
    ? lends(`${formatSize(policy.storageBytes)} of disk`)
    : undefined;
}

function refuseShare(policy: Policy, share: OwnersShare): Refusal | undefined {
  if (share.living >= policy.livingPerOwnerMax) {
    return full(
      `the provider lends ${counted(policy.livingPerOwnerMax, "VM")} at once to one node`,
    );
  }
  return share.starting >= policy.startingPerOwnerMax
    ? full(`the provider starts ${counted(policy.startingPerOwnerMax, "VM")} at once for one node`)
    : undefined;
}

function refuseNow(policy: Policy, wanted: Requirements, used: Used): Refusal | undefined {
  if (used.vms >= policy.maxVms) {
    return full(`the provider lends ${counted(policy.maxVms, "VM")}, and all are taken`);
  }
  const left = roomLeft(policy, used);
  if (wanted.cpu > left.cpu) return full(`the provider has ${counted(left.cpu, "CPU")} left`);
  if (wanted.memoryBytes > left.memoryBytes) {
    return full(`the provider has ${formatSize(left.memoryBytes)} of memory left`);
  }
  return wanted.storageBytes > left.storageBytes
    ? full(`the provider has ${formatSize(left.storageBytes)} of disk left`)
    : undefined;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function full(message: string): Refusal {
  return { code: "provider-full", message };
}
