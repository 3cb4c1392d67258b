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
  /** Memory that VMs may use in all, with what each takes beyond its guest's. */
  readonly memoryBytes: number;
  /** What running a VM takes beyond its guest's memory. */
  readonly overheadBytes: number;
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

/** What the machine itself has left for one more VM at this moment, whatever the policy says. */
export interface MachineRoom {
  readonly memoryBytes: number;
  readonly storageBytes: number;
}

/** What the asking owner has already. */
export interface OwnersShare {
  readonly living: number;
  readonly starting: number;
}

/** What is taken: by all, and by the asking owner. */
export interface Taken {
  readonly used: Used;
  readonly share: OwnersShare;
}

/** Why a provider refuses: a stable code and one sentence for the person who asked. */
export interface Refusal {
  readonly code: Extract<ErrorCode, "provider-full" | "not-allowed" | "bad-size" | "refused">;
  readonly message: string;
  /** It passes by itself: worth asking again after so long. */
  readonly retryMs?: number;
}

const DAY_MS = 86_400_000;
const MIB = 2 ** 20;

/**
 * What running a VM takes beyond its guest's memory. Measured under emulation with a guest of 128 MiB:
 * 147 MiB, of which 25 are kernel and initrd and 3 the helper and its init. Under KVM there are no
 * translated blocks (64 MiB); the rest is a guess on the safe side.
 */
export const OVERHEAD_BYTES = { tcg: 148 * MIB, kvm: 96 * MIB } as const;

/** What passes by itself has mostly passed after that. Guess: a guest boots in seconds. */
const RETRY_MS = 1_000;
/** What living VMs take comes back when one of them ends: nobody knows when. Guess. */
const RETRY_TAKEN_MS = 3_000;

/** What a machine has: of it, a part is lent. */
export interface MachineSize {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly storageBytes: number;
}

/** The policy of a provider who said nothing: half of the machine, a day of life, half of it a person. */
export function defaultPolicy(machine: MachineSize, overheadBytes = 0): Policy {
  const cpu = Math.max(1, Math.floor(machine.cpus / 2));
  return withShares({
    maxVms: cpu, // every VM has a CPU at least
    cpu,
    memoryBytes: Math.floor(machine.memoryBytes / 2),
    overheadBytes,
    storageBytes: Math.floor(machine.storageBytes / 2),
    leaseMsMax: DAY_MS,
    lifeMsMax: DAY_MS,
    allow: null,
    accepting: true,
  });
}

/** How many VMs one owner may have where nothing is said: half of them, and two at least. Guess. */
export function withShares(
  policy: Omit<Policy, "startingPerOwnerMax" | "livingPerOwnerMax">,
): Policy {
  const most = Math.min(policy.maxVms, Math.max(2, Math.floor(policy.maxVms / 2)));
  // As many as there are CPUs boot at once: `maxVms` cannot be more.
  return { ...policy, livingPerOwnerMax: most, startingPerOwnerMax: most };
}

/**
 * Why `owner` cannot have a VM of that size now, or `undefined` where it can. What it never could have
 * is refused for good; what is taken may be asked for again, sooner where it passes by itself: `lasting`
 * is what will still be taken when reservations have been used or forgotten and releases are over.
 */
export function refusalOf(
  policy: Policy,
  asked: { readonly owner: NodeId; readonly requirements: Requirements },
  { now, lasting }: { readonly now: Taken; readonly lasting: Taken },
): Refusal | undefined {
  const refusal = refuseOwner(policy, asked.owner) ?? refuseSize(asked.requirements) ??
    refuseEver(policy, asked.requirements);
  if (refusal !== undefined) return refusal;
  const full = refuseTaken(policy, asked.requirements, now);
  if (full === undefined) return undefined;
  const passes = refuseTaken(policy, asked.requirements, {
    used: lasting.used,
    share: { ...lasting.share, starting: 0 },
  }) === undefined;
  return { ...full, retryMs: passes ? RETRY_MS : RETRY_TAKEN_MS };
}

/** Why the machine itself has no room, whatever the policy says. */
export function refusalOfMachine(
  policy: Policy,
  wanted: Requirements,
  room: MachineRoom,
): Refusal | undefined {
  const later = (what: string): Refusal => {
    const message = `the provider's machine has too little free ${what} now`;
    return { ...full(message), retryMs: RETRY_TAKEN_MS };
  };
  if (charged(policy, wanted) > room.memoryBytes) return later("memory");
  return wanted.storageBytes > 0 && wanted.storageBytes > room.storageBytes
    ? later("disk")
    : undefined;
}

/** The memory that a VM is counted with: its guest's, and what running it takes. */
export function charged(policy: Policy, { memoryBytes }: Requirements): number {
  return memoryBytes + policy.overheadBytes;
}

/**
 * What is left to lend under `policy`: never below 0, also where the policy was narrowed. Of memory,
 * what one more guest could have.
 */
export function roomLeft(policy: Policy, used: Used): Used {
  const { cpu, memoryBytes, storageBytes } = policy;
  const memoryLeft = memoryBytes - used.memoryBytes - policy.overheadBytes;
  const open = policy.accepting && used.vms < policy.maxVms && used.cpu < cpu && memoryLeft > 0;
  return {
    vms: open ? Math.min(policy.maxVms - used.vms, cpu - used.cpu) : 0,
    cpu: open ? cpu - used.cpu : 0,
    memoryBytes: open ? memoryLeft : 0,
    storageBytes: open ? Math.max(0, storageBytes - used.storageBytes) : 0,
  };
}

function refuseTaken(
  policy: Policy,
  wanted: Requirements,
  { used, share }: Taken,
): Refusal | undefined {
  return refuseShare(policy, share) ?? refuseNow(policy, wanted, used);
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
  if (policy.maxVms === 0) return full("the provider lends no VMs");
  const lends = (what: string) => full(`the provider lends ${what} in all`);
  if (wanted.cpu > policy.cpu) return lends(counted(policy.cpu, "CPU"));
  const memoryBytes = Math.max(0, policy.memoryBytes - policy.overheadBytes);
  if (wanted.memoryBytes > memoryBytes) return lends(`${formatSize(memoryBytes)} of memory`);
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
  const cpu = Math.max(0, policy.cpu - used.cpu);
  if (wanted.cpu > cpu) return full(`the provider has ${counted(cpu, "CPU")} left`);
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
