/**
 * The provider's book as rows that survive a restart. Instants belong to one run of one process, so
 * rows hold Unix milliseconds; reading them back, a deadline is never taken to be further away than
 * the policy could have set it, whatever the clock did meanwhile.
 *
 * @module
 */
import {
  after,
  fail,
  type Instant,
  isId,
  isVmId,
  ok,
  type PeerKey,
  type Result,
  VM_TIME_RANGE_MS,
  type VmId,
} from "../base/mod.ts";
import { RESERVATION_MS } from "./host_book.ts";
import { type HostVm, isEndReason, isLeased } from "./host_vm.ts";
import type { Policy } from "./policy.ts";
import { checkRequirements, isRequestKey, type Requirements } from "./requirements.ts";
import { isVmState } from "./vm_state.ts";

/** The same moment on the monotonic and on the wall clock. */
export interface ClockReading {
  readonly now: Instant;
  /** Milliseconds since 1970, UTC. */
  readonly unixMs: number;
}

/** A VM of the book as JSON. Times are Unix milliseconds. */
export interface HostRow {
  readonly id: VmId;
  readonly owner: PeerKey;
  readonly key: string | null;
  readonly requirements: Requirements;
  readonly dryRun: boolean;
  readonly state: HostVm["state"];
  readonly requestedAtMs: number;
  readonly readyAtMs: number | null;
  readonly deadlineMs: number;
  readonly lifeEndsAtMs: number | null;
  readonly endReason: HostVm["endReason"];
  readonly endDetail: string | null;
}

/** The row of a VM. */
export function toHostRow(vm: HostVm, clock: ClockReading): HostRow {
  const { requestedAt, readyAt, deadline, lifeEndsAt, ...same } = vm;
  const unix = (instant: Instant) => Math.round(clock.unixMs + (instant - clock.now));
  return {
    ...same,
    requestedAtMs: unix(requestedAt),
    readyAtMs: readyAt === null ? null : unix(readyAt),
    deadlineMs: unix(deadline),
    lifeEndsAtMs: lifeEndsAt === null ? null : unix(lifeEndsAt),
  };
}

/** The VM of a row of before a restart. */
export function fromHostRow(row: HostRow, policy: Policy, clock: ClockReading): HostVm {
  const { requestedAtMs, readyAtMs, deadlineMs, lifeEndsAtMs, ...same } = row;
  const past = (unixMs: number) => after(clock.now, Math.min(0, unixMs - clock.unixMs));
  const future = (unixMs: number, msMax: number) =>
    after(clock.now, Math.min(msMax, unixMs - clock.unixMs));
  const deadlineMsMax = row.state === "reserved"
    ? RESERVATION_MS
    : Math.max(policy.leaseMsMax, row.requirements.leaseMs);
  return {
    ...same,
    requestedAt: past(requestedAtMs),
    readyAt: readyAtMs === null ? null : past(readyAtMs),
    deadline: future(deadlineMs, deadlineMsMax),
    lifeEndsAt: lifeEndsAtMs === null ? null : future(lifeEndsAtMs, policy.lifeMsMax),
  };
}

/** Reads a row from parsed JSON; `bad-row` where anything in it is not as this module writes it. */
export function parseHostRow(json: unknown): Result<HostRow, "bad-row"> {
  return isHostRow(json) ? ok(json) : fail("bad-row");
}

function isHostRow(json: unknown): json is HostRow {
  if (!isObject(json)) return false;
  const { id, owner, key, requirements, dryRun, state, endReason, endDetail } = json;
  return typeof id === "string" && isVmId(id) && isPeerKey(owner) &&
    (key === null || typeof key === "string" && isRequestKey(key)) &&
    isRequirements(requirements) && typeof dryRun === "boolean" && isVmState(state) &&
    (endReason === null || isEndReason(endReason)) &&
    (endDetail === null || typeof endDetail === "string") && areTimes(json) &&
    hasItsTimes(state, json["lifeEndsAtMs"]);
}

function isPeerKey(json: unknown): json is PeerKey {
  if (typeof json !== "string") return false;
  const [network = "", node = "", ...more] = json.split("/");
  return isId(network) && isId(node) && more.length === 0;
}

function areTimes(row: Readonly<Record<string, unknown>>): boolean {
  return isTime(row["requestedAtMs"]) && isTime(row["deadlineMs"]) &&
    [row["readyAtMs"], row["lifeEndsAtMs"]].every((time) => time === null || isTime(time));
}

/** Whether it is a moment that a date can tell. Source: ECMA-262 §21.4.1.1. */
function isTime(json: unknown): boolean {
  return Number.isSafeInteger(json) && Math.abs(json as number) <= 8.64e15;
}

function isRequirements(json: unknown): json is Requirements {
  if (!isObject(json)) return false;
  const { cpu, memoryBytes, storageBytes, image, leaseMs } = json;
  return typeof cpu === "number" && typeof memoryBytes === "number" &&
    typeof storageBytes === "number" && typeof image === "string" && typeof leaseMs === "number" &&
    // A lease is stored as granted: a policy may have cut it below what may be asked.
    Number.isSafeInteger(leaseMs) && leaseMs > 0 &&
    checkRequirements({ cpu, memoryBytes, storageBytes, image, leaseMs: VM_TIME_RANGE_MS.min }).ok;
}

function hasItsTimes(state: HostVm["state"], lifeEndsAtMs: unknown): boolean {
  return !isLeased(state) || lifeEndsAtMs !== null;
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
