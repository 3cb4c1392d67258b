/**
 * `omerta provider …`: lend virtual machines, see what is lent, take it back.
 *
 * @module
 */
import { formatDuration, OmertaError } from "../../base/mod.ts";
import type {
  ProviderEvictResult,
  ProviderLimits,
  ProviderRoom,
  ProviderStatusResult,
  ProviderVmDoc,
} from "../../api/nouns/provider.ts";
import { command, type Verbs } from "../command.ts";
import { toggle } from "../flags.ts";
import { bytes, count, facts, fromNow, shortId, shortIds, table, words } from "../format.ts";
import { NODE_FLAGS, runForeground } from "../foreground.ts";
import { LEND_FLAGS, lendArguments, lendOptions } from "../lend_flags.ts";
import { printUnit } from "../systemd.ts";
import { must, reference } from "../values.ts";
import { reportFailed } from "../partly.ts";

const run = command({
  purpose: "lend virtual machines, in the foreground",
  details: [
    "Virtual machines outlive the provider's stop until their leases end; it says which.",
    "Levels of confinement, weakest first: basic, landlock, namespaces, full.",
  ],
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "itself",
  flags: {
    ...NODE_FLAGS,
    ...LEND_FLAGS,
    systemd: toggle("print a systemd unit that runs this, and do nothing else"),
  },
  examples: [
    "omerta provider --join - < invite.txt",
    "omerta provider --max-vms 4 --cpu 8 --memory 16G",
    "omerta provider --systemd > /etc/systemd/system/omerta-provider.service",
  ],
  exits: [5, 6, 8, 9, 10],
  async run(invocation) {
    const { flags } = invocation;
    if (flags.systemd) {
      return printUnit(invocation, {
        roles: { relay: false, provider: true },
        words: ["provider"],
        extra: lendArguments(flags),
      });
    }
    await runForeground(invocation, {
      roles: { relay: false, provider: true },
      provider: lendOptions(flags),
      mode: "foreground",
    });
  },
});

const status = command({
  purpose: "show what is lent, to whom, and how it is confined",
  words: "",
  wordsMin: 0,
  wordsMax: 0,
  node: "running",
  flags: {},
  examples: ["omerta provider status", "omerta provider status --json"],
  exits: [4],
  async run({ call, out, name, terminal }) {
    const result = await call("provider.status", {});
    out.document(name, result, () => statusLines(result, terminal.now()));
  },
});

function statusLines(status: ProviderStatusResult, nowMs: number): string[] {
  const { accelerator, confinement, capacity, used } = status;
  const reason = accelerator.reason === null ? "" : ` (${accelerator.reason})`;
  const missing = confinement.missing.length === 0 ? "" : `, without ${words(confinement.missing)}`;
  const lines = facts([
    ["accepting", `${status.accepting ? "yes" : "no"}${status.dry_run ? ", dry runs only" : ""}`],
    ["lends", roomText(capacity)],
    ["lent", roomText(used)],
    ["limits", limitsText(status.limits)],
    ["accelerator", `${accelerator.kind ?? "unknown"}${reason}`],
    ...accelerator.remedy === null ? [] : [["to mend it", accelerator.remedy] as const],
    ["confinement", `${confinement.level ?? "unknown"}${missing}`],
  ]);
  const stuck = status.vms.flatMap(({ id, stuck }) =>
    stuck === null ? [] : [`VM ${id} is stuck: ${stuck}; it is tried again`]
  );
  return status.vms.length === 0 ? lines : [...lines, "", ...vmTable(status.vms, nowMs), ...stuck];
}

function roomText({ cpu, memory_bytes, storage_bytes, vms }: ProviderRoom): string {
  const disk = storage_bytes === null ? "" : `, ${bytes(storage_bytes)} disk`;
  return `${count(cpu, "CPU")}, ${bytes(memory_bytes)} memory${disk}, ${count(vms, "VM")}`;
}

function limitsText(limits: ProviderLimits): string {
  const { per_owner, max_lease_ms, max_life_ms, allow, overhead_bytes } = limits;
  return [
    `${count(per_owner, "VM")} an owner`,
    `leases up to ${formatDuration(max_lease_ms)}`,
    `a life of ${formatDuration(max_life_ms)}`,
    ...allow === null ? [] : [`${count(allow.length, "node")} may rent`],
    ...overhead_bytes === 0 ? [] : [`${bytes(overhead_bytes)} counted beside each guest's memory`],
  ].join(", ");
}

function vmTable(vms: readonly ProviderVmDoc[], nowMs: number): string[] {
  const short = shortIds(vms.map(({ id }) => id));
  const rows = vms.map((vm) => [
    short.get(vm.id) ?? vm.id,
    shortId(vm.owner),
    vm.stuck === null ? vm.state : "stuck",
    String(vm.cpu),
    bytes(vm.memory_bytes),
    fromNow(vm.lease_expires_at, nowMs),
    vm.pid === null ? "-" : String(vm.pid),
  ]);
  return table(["VM", "OWNER", "STATE", "CPU", "MEMORY", "LEASE ENDS", "PID"], rows);
}

const evict = command({
  purpose: "take virtual machines back from their renters, at once",
  words: "VM…|--all",
  wordsMin: 0,
  wordsMax: 1000,
  node: "running",
  flags: { all: toggle("every VM") },
  examples: ["omerta provider evict k3p6x2aa", "omerta provider evict --all --json"],
  exits: [3, 4],
  async run({ words, flags: { all }, call, out, name }) {
    if (all === words.length > 0) {
      throw new OmertaError("usage", "Which VMs? Name them, or write --all, not both", {
        hint: "See 'omerta provider status'.",
      });
    }
    const vms = words.map((word) => must("VM", reference(word)));
    const result = await call("provider.evict", { vms, all });
    out.document(name, result, () => evictLines(result));
    return reportFailed(out, result.failed);
  },
});

function evictLines({ evicted }: ProviderEvictResult): string[] {
  return evicted.length === 0 ? ["no VM evicted"] : evicted.map((id) => `VM ${id} evicted`);
}

/** The verbs of `omerta provider`. */
export const provider: Verbs = { run, status, evict };
