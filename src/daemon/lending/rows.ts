/**
 * Lent VMs on the disk: each one's row, with what its renter was given.
 *
 * @module
 */
import { OmertaError, splitPeerKey, type VmId } from "../../base/mod.ts";
import type { HostedRow } from "../../host/store/mod.ts";
import {
  type ClockReading,
  fromHostRow,
  type HostVm,
  isEnded,
  type Policy,
  toHostRow,
} from "../../market/mod.ts";
import { type Hosted, newHosted } from "./hosted.ts";
import type { LendingPorts, LentRows } from "./ports.ts";

type Hosts = Map<VmId, Hosted>;

/** The VMs of the rows on the disk; what is beside them goes into `hosted`. */
export function loadRows(
  { rows, clock }: Pick<LendingPorts, "rows" | "clock">,
  policy: Policy,
  hosted: Hosts,
): HostVm[] {
  const reading = { now: clock.now(), unixMs: clock.wallMs() };
  return rows.list().map(({ id, row, spec }) => {
    hosted.set(id, newHosted(spec));
    return fromHostRow(row, policy, reading);
  });
}

/** Writes a VM's row. @throws {OmertaError} `disk-full`: then nothing is begun. */
export function writeRow(
  { rows, clock }: Pick<LendingPorts, "rows" | "clock">,
  vm: HostVm,
  hosted: Hosted,
): void {
  // Of what never was a machine nothing remains: whoever reserves without end fills no disk.
  const wasNothing = isEnded(vm.state) && hosted.created === null;
  if (wasNothing) rows.delete({ id: vm.id });
  else rows.put(storedRow(vm, hosted, { now: clock.now(), unixMs: clock.wallMs() }));
}

/** The disks of VMs of before a restart, in bytes: they are not free, and lent already. */
export function allocatedBytes(rows: Pick<LentRows, "list">): number {
  return rows.list({ endedAtMs: null }).reduce(
    (sum, { row }) => row.dryRun ? sum : sum + row.requirements.storageBytes,
    0,
  );
}

/**
 * A provider that runs dry could not take up what really runs, and would call it lost.
 *
 * @throws {OmertaError} `exists` where there is such a VM.
 */
export function requireNoMachines(rows: Pick<LentRows, "list">): void {
  const living = rows.list({ endedAtMs: null }).filter(({ row }) => !row.dryRun);
  const [first] = living;
  if (first === undefined) return;
  throw new OmertaError("exists", `${living.length} real VM(s) live on this state: ${first.id} …`, {
    hint: "Start the provider without --dry-run, or use another --state.",
  });
}

function storedRow(
  vm: HostVm,
  { created, imageDigest }: Hosted,
  clock: ClockReading,
): HostedRow {
  const row = toHostRow(vm, clock);
  const { network, node: owner } = splitPeerKey(vm.owner);
  return {
    id: vm.id,
    network,
    owner,
    key: vm.state === "releasing" ? null : vm.key, // the next request with it gets another
    state: vm.state,
    spec: { created, imageDigest },
    secrets: null,
    localTunnel: created?.localTunnel ?? null,
    remoteTunnel: created?.remoteTunnel ?? null,
    deadlineMs: row.deadlineMs,
    createdAtMs: row.requestedAtMs,
    endedAtMs: isEnded(vm.state) ? clock.unixMs : null,
    row,
  };
}
