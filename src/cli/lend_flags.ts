/**
 * The flags of every command whose node lends: what they are, what they mean to the node, and how
 * they are written again in a unit.
 *
 * @module
 */
import { OmertaError, VM_SIZE_RANGES, VM_TIME_RANGE_MS } from "../base/mod.ts";
import type { ProviderOptions } from "../daemon/options.ts";
import { type FlagValues, list, maybe, toggle } from "./flags.ts";
import { duration, oneOf, size, sizeOrNone, wholeId, wholeNumber } from "./values.ts";

/** What is lent, to whom, and how. */
export const LEND_FLAGS = {
  maxVms: maybe(
    "N",
    "most VMs at once (default: one per CPU that is lent)",
    wholeNumber({ min: 0, max: 10_000 }),
  ),
  cpu: maybe("N", "CPUs to lend (default: half of them)", wholeNumber({ min: 1, max: 4096 })),
  memory: maybe(
    "S",
    "memory to lend, with what running a VM takes (default: half of it)",
    size({ min: VM_SIZE_RANGES.memoryBytes.min, max: 2 ** 50 }),
  ),
  storage: maybe(
    "S",
    "disk to lend; 0: none (default: half of what is free)",
    sizeOrNone({ min: VM_SIZE_RANGES.storageBytes.min, max: 2 ** 50 }),
  ),
  maxLease: maybe(
    "T",
    "longest lease; longer wishes are cut (default: 24h)",
    duration(VM_TIME_RANGE_MS),
  ),
  maxLife: maybe(
    "T",
    "longest life of a VM, whatever its owner renews (default: 24h)",
    duration(VM_TIME_RANGE_MS),
  ),
  perOwner: maybe(
    "N",
    "most VMs of one owner (default: half of all, at least 2)",
    wholeNumber({ min: 1, max: 10_000 }),
  ),
  acceptWeakIsolation: maybe(
    "LEVEL",
    "lend with QEMU confined no better (default: namespaces)",
    oneOf(["basic", "landlock", "namespaces", "full"] as const),
  ),
  allow: list("ID", "lend to this node only (whole id; may be repeated)", wholeId),
  dryRun: toggle("answer the whole protocol without starting QEMU"),
};

/** The values of these flags. */
export type LendFlags = FlagValues<typeof LEND_FLAGS>;

/** What the node is told. */
export function lendOptions(flags: LendFlags): ProviderOptions {
  const { maxVms, cpu, perOwner, acceptWeakIsolation, allow, dryRun } = flags;
  return {
    maxVms,
    cpu,
    memoryBytes: flags.memory,
    storageBytes: flags.storage,
    maxLeaseMs: flags.maxLease,
    maxLifeMs: flags.maxLife,
    perOwner,
    acceptWeakIsolation,
    allow,
    dryRun,
  };
}

/** The flags again, for a unit. */
export function lendArguments(flags: LendFlags): string[] {
  const { allow, dryRun } = flags;
  const numbers = [
    ["--max-vms", flags.maxVms],
    ["--cpu", flags.cpu],
    ["--memory", flags.memory],
    ["--storage", flags.storage],
    ["--max-lease", flags.maxLease === null ? null : `${flags.maxLease / 1000}s`],
    ["--max-life", flags.maxLife === null ? null : `${flags.maxLife / 1000}s`],
    ["--per-owner", flags.perOwner],
    ["--accept-weak-isolation", flags.acceptWeakIsolation],
  ] as const;
  return [
    ...numbers.flatMap(([flag, value]) => value === null ? [] : [flag, String(value)]),
    ...allow.flatMap((id) => ["--allow", id]),
    ...dryRun ? ["--dry-run"] : [],
  ];
}

/** @throws {OmertaError} `usage` where something is said of what a node lends that does not. */
export function requireLender(isProvider: boolean, flags: LendFlags): void {
  if (isProvider || lendArguments(flags).length === 0) return;
  throw new OmertaError("usage", "What is lent means nothing without --provider");
}
