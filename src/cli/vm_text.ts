/**
 * Virtual machines as people read them.
 *
 * @module
 */
import { formatDuration } from "../base/mod.ts";
import type { VmDoc } from "../api/nouns/consumer.ts";
import type { VmPhase } from "../market/mod.ts";
import { bytes, count, facts, fromNow, pathText, shortId, shortIds, table } from "./format.ts";

const PHASES: readonly VmPhase[] = ["match", "reserve", "create", "boot", "network", "ssh"];

/** States after which nothing of a VM is left. */
const ENDED = new Set(["released", "failed", "lost"]);

/** A VM by its name, else by the beginning of its id. */
export function vmName({ id, name }: Pick<VmDoc, "id" | "name">): string {
  return name ?? shortId(id);
}

/** How long people still want to see a VM that has ended. Guess: what happened overnight. */
const RECENT_MS = 24 * 3_600_000;

/** The VMs that live or have ended lately, one a line, and how many others there were. */
export function recentVmTable(vms: readonly VmDoc[], nowMs: number): string[] {
  const recent = vms.filter((vm) => {
    return !ENDED.has(vm.state) || vm.ended_at === null ||
      nowMs - Date.parse(vm.ended_at) < RECENT_MS;
  });
  const others = vms.length - recent.length;
  const note = `${count(others, "VM")} ended more than 24h ago: omerta list --all`;
  return [...vmTable(recent, nowMs), ...others === 0 ? [] : [note]];
}

/** All VMs, one a line. */
export function vmTable(vms: readonly VmDoc[], nowMs: number): string[] {
  if (vms.length === 0) return ["no VMs: rent one with omerta request"];
  const short = shortIds(vms.map(({ id }) => id));
  const rows = vms.map((vm) => [
    short.get(vm.id) ?? vm.id,
    vm.name ?? "-",
    stateText(vm, nowMs),
    String(vm.cpu),
    bytes(vm.memory_bytes),
    shortId(vm.provider),
    ENDED.has(vm.state) ? "-" : pathText(vm.path),
    ENDED.has(vm.state) ? fromNow(vm.ended_at, nowMs) : fromNow(vm.lease_expires_at, nowMs),
  ]);
  return table(["ID", "NAME", "STATE", "CPU", "MEMORY", "PROVIDER", "PATH", "ENDS"], rows);
}

/** What was heard of a VM longer ago is no news. Guess: `list` asks, and waits for 2 s. */
const STALE_MS = 30_000;

/** How it stands: of one that ended, why; of one whose provider is silent, since when. */
function stateText(vm: VmDoc, nowMs: number): string {
  const state = vm.end?.reason ?? vm.state;
  const checkedMs = vm.checked_at === null ? nowMs : Date.parse(vm.checked_at);
  const isStale = !ENDED.has(vm.state) && nowMs - checkedMs > STALE_MS;
  const notes = [
    ...vm.dry_run ? ["dry run"] : [],
    ...isStale ? [`as of ${fromNow(vm.checked_at, nowMs)}`] : [],
  ];
  return notes.length === 0 ? state : `${state} (${notes.join(", ")})`;
}

/** All about one VM. */
export function vmFacts(vm: VmDoc, nowMs: number): string[] {
  const isLiving = !ENDED.has(vm.state);
  return facts([
    ["id", vm.id],
    ["name", vm.name],
    ["key", vm.key],
    ["state", stateText(vm, nowMs)],
    ["reason", vm.reason],
    ["ended", vm.ended_at === null ? null : fromNow(vm.ended_at, nowMs)],
    ["network", vm.network.name],
    ["provider", vm.provider],
    ["size", sizeText(vm)],
    ["image", vm.image],
    ["digest", vm.image_digest],
    ["isolation", isolationText(vm)],
    ["address", vm.ssh_address],
    ["path", isLiving ? pathText(vm.path) : null],
    ["lease ends", isLiving ? fromNow(vm.lease_expires_at, nowMs) : null],
    ["life ends", isLiving && vm.life_ends_at !== null ? fromNow(vm.life_ends_at, nowMs) : null],
    ["requested", fromNow(vm.requested_at, nowMs)],
    ["checked", fromNow(vm.checked_at, nowMs)],
    ["took", timingsText(vm)],
  ]);
}

/** A VM that has just been made, and what one does next. */
export function requestLines(vm: VmDoc, nowMs: number): string[] {
  const name = vmName(vm);
  const lines = [
    `VM ${vm.id}${vm.name === null ? "" : ` (${vm.name})`} ${vm.state}: ${sizeText(vm)}, on ${
      shortId(vm.provider)
    }, ${pathText(vm.path)}`,
    `lease ends ${fromNow(vm.lease_expires_at, nowMs)} without a sign of life${
      vm.life_ends_at === null ? "" : `, the VM ${fromNow(vm.life_ends_at, nowMs)} in any case`
    }`,
  ];
  const timings = timingsText(vm);
  if (timings !== null) lines.push(`took ${timings}`);
  if (vm.isolation === "emulated") lines.push("emulated: slower, and a weaker wall, than hardware");
  if (vm.dry_run) return [...lines, "dry run: the protocol was run through, no VM exists"];
  const next = vm.state === "ready"
    ? `connect: omerta ssh ${name}`
    : `see: omerta vm status ${name}`;
  return [...lines, next];
}

function sizeText({ cpu, memory_bytes, storage_bytes }: VmDoc): string {
  const disk = storage_bytes === 0 ? "" : `, ${bytes(storage_bytes)} disk`;
  return `${cpu} CPU, ${bytes(memory_bytes)} memory${disk}`;
}

function isolationText({ isolation, accelerator, confinement }: VmDoc): string | null {
  if (isolation === null) return null;
  const more = [accelerator, confinement === null ? null : `confined: ${confinement}`];
  const known = more.filter((each) => each !== null);
  return known.length === 0 ? isolation : `${isolation} (${known.join(", ")})`;
}

/** `5.2s: match 12ms, boot 4.1s`, or `null` where nothing is known. */
function timingsText({ timings_ms }: VmDoc): string | null {
  const known = PHASES.flatMap((phase) => {
    const ms = timings_ms[phase];
    return ms === null ? [] : [{ phase, ms }];
  });
  if (known.length === 0) return null;
  const total = known.reduce((sum, { ms }) => sum + ms, 0);
  const each = known.map(({ phase, ms }) => `${phase} ${formatDuration(ms)}`);
  return `${formatDuration(total)}: ${each.join(", ")}`;
}
