/**
 * What owners are told of their VMs.
 *
 * @module
 */
import { formatDuration, formatSize, type Instant, OmertaError } from "../../base/mod.ts";
import { type HostVm, isEnded, ownersEndReason } from "../../market/mod.ts";
import type { Answer, VmStateMessage } from "../../node/mod.ts";
import { withoutPaths } from "../outward.ts";
import type { Created, Hosted } from "./hosted.ts";

/** What a VM's owner is told of it. */
export function vmMessage(vm: HostVm, hosted: Hosted | undefined, now: Instant): VmStateMessage {
  const living = !isEnded(vm.state);
  const left = (until: number) => Math.max(0, Math.round(until - now));
  return {
    vm: vm.id,
    state: vm.state === "requested" ? "reserved" : vm.state,
    leaseLeftMs: living ? left(vm.deadline) : null,
    lifeLeftMs: living && vm.lifeEndsAt !== null ? left(vm.lifeEndsAt) : null,
    bootMs: roundOrNull(hosted?.bootMs ?? null),
    reason: vm.endReason === null ? null : endSentence(vm),
    endReason: ownersEndReason(vm.endReason),
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

/** What stands between a guest and its provider: the processor, or QEMU's emulation of one. */
export function isolationOf(accelerator: "kvm" | "tcg" | null): "hardware" | "emulated" | null {
  if (accelerator === null) return null;
  return accelerator === "kvm" ? "hardware" : "emulated";
}

/** What `vm.create` answers. */
export function createdAnswer(created: Created | null): Answer<"vm.create"> {
  if (created === null) throw new OmertaError("internal", "A created VM has no keys");
  return {
    tunnel: created.localTunnel,
    wireguardKey: Uint8Array.fromHex(created.wireguardKey),
    sshHostKey: Uint8Array.fromHex(created.sshHostKey),
    user: created.user,
  };
}

/** A rented VM in a few words, for the log. */
export function rentedWords({ requirements, dryRun }: HostVm): string {
  const { cpu, memoryBytes, storageBytes, leaseMs } = requirements;
  const disk = storageBytes === 0 ? "" : `, ${formatSize(storageBytes)} disk`;
  return `${cpu} CPU, ${formatSize(memoryBytes)}${disk}, lease ${formatDuration(leaseMs)}${
    dryRun ? ", dry" : ""
  }`;
}

/** Why a VM ended, for its owner. */
function endSentence(vm: HostVm): string {
  const sentences: Record<NonNullable<HostVm["endReason"]>, string> = {
    "reservation": "the reservation was not used in time",
    "lease": "its lease ended: no sign of life of its owner",
    "life": "the longest life that the provider gives was over",
    "released": "it was released",
    "evicted": "the provider's owner took it back",
    "oom": "it took more memory than it may",
    "disk": "the provider's disk is full, or fails",
    "guest-exit": "it powered itself off, or rebooted",
    "failed": "it could not be run",
    "lost": "nothing of it was left after the provider's restart",
  };
  const why = sentences[vm.endReason ?? "failed"];
  if (vm.endDetail === null) return why;
  return `${why}: ${withoutPaths(vm.endDetail)}`.slice(0, 500).toWellFormed();
}

/** Whole milliseconds, never negative. */
function roundOrNull(value: number | null): number | null {
  return value === null ? null : Math.max(0, Math.round(value));
}
