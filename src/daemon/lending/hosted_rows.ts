/**
 * Lent VMs on the disk: each one's row, with what its renter was given, and how it is told.
 *
 * @module
 */
import { splitPeerKey, type VmId } from "../../base/mod.ts";
import type { HostedRow } from "../../host/store/mod.ts";
import { fromHostRow, type HostVm, isEnded, type Policy, toHostRow } from "../../market/mod.ts";
import type { VmStateMessage } from "../../node/mod.ts";
import type { Context } from "../context.ts";
import {
  endSentence,
  type Hosted,
  type HostedSpec,
  newHosted,
  ownersEndReason,
  roundOrNull,
} from "./hosted.ts";

type Hosts = Map<VmId, Hosted>;

/** The VMs of the rows on the disk; what is beside them goes into `hosted`. */
export function loadRows(context: Context, policy: Policy, hosted: Hosts): HostVm[] {
  const clock = { now: context.now(), unixMs: context.wallMs() };
  return context.store.hosted.list().map(({ id, row, spec }) => {
    hosted.set(id, newHosted(spec));
    return fromHostRow(row, policy, clock);
  });
}

/** Writes a VM's row. @throws {OmertaError} `disk-full`: then nothing is begun. */
export function writeRow({ store, now, wallMs }: Context, vm: HostVm, hosted: Hosted): void {
  // Of what never was a machine nothing remains: whoever reserves without end fills no disk.
  const wasNothing = isEnded(vm.state) && hosted.created === null;
  if (wasNothing) store.hosted.delete({ id: vm.id });
  else store.hosted.put(storedRow(vm, hosted, { now: now(), unixMs: wallMs() }));
}

function storedRow(
  vm: HostVm,
  { created, imageDigest }: Hosted,
  clock: Parameters<typeof toHostRow>[1],
): HostedRow {
  const row = toHostRow(vm, clock);
  const { network, node: owner } = splitPeerKey(vm.owner);
  return {
    id: vm.id,
    network,
    owner,
    key: vm.state === "releasing" ? null : vm.key, // the next request with it gets another
    state: vm.state,
    spec: { created, imageDigest } satisfies HostedSpec,
    secrets: null,
    localTunnel: created?.localTunnel ?? null,
    remoteTunnel: created?.remoteTunnel ?? null,
    deadlineMs: row.deadlineMs,
    createdAtMs: row.requestedAtMs,
    endedAtMs: isEnded(vm.state) ? clock.unixMs : null,
    row,
  };
}

/** What a VM's owner is told of it. */
export function vmMessage({ now }: Context, vm: HostVm, hosted?: Hosted): VmStateMessage {
  const living = !isEnded(vm.state);
  const left = (until: number) => Math.max(0, Math.round(until - now()));
  return {
    vm: vm.id,
    state: vm.state === "requested" ? "reserved" : vm.state,
    leaseLeftMs: living ? left(vm.deadline) : null,
    lifeLeftMs: living && vm.lifeEndsAt !== null ? left(vm.lifeEndsAt) : null,
    bootMs: roundOrNull(hosted?.bootMs ?? null),
    reason: vm.endReason === null ? null : endSentence(vm),
    endReason: ownersEndReason(vm),
  };
}

/** Bytes for the sentences of one answer, which names up to 64 VMs and has 16 KiB. */
const REASON_BYTES_MAX = 6_000;

/** Messages that fit into one answer, however many there are: sentences are cut. */
export function fitted(messages: readonly VmStateMessage[]): VmStateMessage[] {
  const bytesMax = Math.min(500, Math.floor(REASON_BYTES_MAX / Math.max(1, messages.length)));
  return messages.map((message) =>
    message.reason === null ? message : { ...message, reason: cut(message.reason, bytesMax) }
  );
}

/** The beginning of a text, of so many bytes of UTF-8 at most. */
function cut(text: string, bytesMax: number): string {
  const { read, written } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax));
  return written === undefined || read === undefined ? "" : text.slice(0, read);
}
