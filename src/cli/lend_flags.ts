/**
 * The flags of every command whose node lends: what they are, what they mean to the node, and how
 * they are written again in a unit.
 *
 * @module
 */
import type { ProviderOptions } from "../api/methods.ts";
import { type FlagValues, list, maybe, toggle } from "./command.ts";
import { size, wholeId, wholeNumber } from "./values.ts";

const MIB = 1024 * 1024;

/** What is lent, to whom, and how. */
export const LEND_FLAGS = {
  maxVms: maybe("N", "most VMs at once", wholeNumber({ min: 0, max: 10_000 })),
  cpu: maybe("N", "CPUs to lend (default: half of them)", wholeNumber({ min: 1, max: 4096 })),
  memory: maybe(
    "S",
    "memory to lend (default: half of it)",
    size({ min: 128 * MIB, max: 2 ** 50 }),
  ),
  allow: list("ID", "lend to this node only (whole id; may be repeated)", wholeId),
  dryRun: toggle("answer the whole protocol without starting QEMU"),
};

/** The values of these flags. */
export type LendFlags = FlagValues<typeof LEND_FLAGS>;

/** What the node is told. */
export function lendOptions(flags: LendFlags): ProviderOptions {
  const { maxVms, cpu, memory: memoryBytes, allow, dryRun } = flags;
  return { maxVms, cpu, memoryBytes, allow, dryRun };
}

/** The flags again, for a unit. */
export function lendArguments(flags: LendFlags): string[] {
  const { maxVms, cpu, memory, allow, dryRun } = flags;
  return [
    ...maxVms === null ? [] : ["--max-vms", String(maxVms)],
    ...cpu === null ? [] : ["--cpu", String(cpu)],
    ...memory === null ? [] : ["--memory", String(memory)],
    ...allow.flatMap((id) => ["--allow", id]),
    ...dryRun ? ["--dry-run"] : [],
  ];
}
