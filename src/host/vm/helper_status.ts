/**
 * The documents that a VM's helper writes, as one line of JSON each, read strictly: the helper
 * minds a hostile guest, so what it says is checked as if a stranger said it.
 *
 * @module
 */
import { isErrorCode, OmertaError } from "../../base/mod.ts";
import { type Confinement, CONFINEMENTS } from "../../market/mod.ts";

/** Where a VM is in its life: `ready` is what the guest says of itself. */
export type HelperState = "starting" | "running" | "ready" | "stopping" | "gone";

/** What a helper tells of its VM. */
export interface HelperStatus {
  readonly state: HelperState;
  /** Process ids, as this system counts them. */
  readonly pid: number;
  readonly qemuPid: number;
  /** `disk`: the guest stands still until the host can write its disk again. */
  readonly trouble: "disk" | null;
  /** Time left, never negative. */
  readonly leaseLeftMs: number;
  readonly lifeLeftMs: number;
  /** From the start of QEMU until the guest said that it is ready. */
  readonly bootMs: number | null;
  readonly accel: "kvm" | "tcg";
  readonly level: Confinement;
  /** The parts of the jail that this system did not give, such as `user-ns`. */
  readonly missing: readonly string[];
  /** The version of Landlock that bounds QEMU; 0: none. */
  readonly landlockAbi: number;
  /** Whether a node's socket is attached. */
  readonly attached: boolean;
  /** Frames and datagrams dropped, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Datagrams delivered to and from the guest. */
  readonly frames: { readonly in: number; readonly out: number };
  /** QEMU's version; empty until it has said so. */
  readonly qemu: string;
  /** The last 2 KiB of the guest's console: hostile text. */
  readonly consoleTail: string;
}

/** What the probe found out. */
export interface ProbeVerdict {
  readonly accel: "kvm" | "tcg";
  /** A sentence for people: why. */
  readonly reason: string;
  /** From the start of QEMU to the marker, where KVM works. */
  readonly bootMs: number | null;
  readonly qemu: string;
  readonly tscKhz: number;
  readonly level: Confinement;
  readonly missing: readonly string[];
  /** The version of Landlock that bounds QEMU; 0: none. */
  readonly landlockAbi: number;
}

/** Why a VM ended. */
export interface HelperExit {
  readonly reason: "lease" | "life" | "stop" | "guest-exit" | "qemu-died" | "disk" | "error";
  readonly detail: string;
}

const STATES = ["starting", "running", "ready", "stopping", "gone"] as const;
const ACCELS = ["kvm", "tcg"] as const;
const REASONS = ["lease", "life", "stop", "guest-exit", "qemu-died", "disk", "error"] as const;
const TROUBLES = ["disk"] as const;

type Fields = Readonly<Record<string, unknown>>;

/** The object in a line; an answer that says `"ok": false` is thrown as the error that it names. */
export function parseAnswer(line: string): Fields {
  const fields = parseObject(line);
  if (fields["ok"] !== false) return fields;
  const code = text(fields, "code");
  throw new OmertaError(isErrorCode(code) ? code : "vm-failed", text(fields, "message"));
}

/** A status out of an answer. @throws {OmertaError} `vm-failed` where it is not one. */
export function parseStatus(fields: Fields): HelperStatus {
  const frames = object(fields, "frames");
  return {
    state: oneOf(fields, "state", STATES),
    pid: count(fields, "pid"),
    qemuPid: count(fields, "qemu_pid"),
    trouble: fields["trouble"] === null ? null : oneOf(fields, "trouble", TROUBLES),
    leaseLeftMs: count(fields, "lease_left_ms"),
    lifeLeftMs: count(fields, "life_left_ms"),
    bootMs: countOrNull(fields, "boot_ms"),
    accel: oneOf(fields, "accel", ACCELS),
    level: oneOf(fields, "level", CONFINEMENTS),
    missing: texts(fields, "missing"),
    landlockAbi: count(fields, "landlock_abi"),
    attached: fields["attached"] === true,
    dropped: counts(object(fields, "dropped")),
    frames: { in: count(frames, "in"), out: count(frames, "out") },
    qemu: text(fields, "qemu"),
    consoleTail: text(fields, "console_tail"),
  };
}

/** A verdict of the probe. @throws {OmertaError} `vm-failed` where it is not one. */
export function parseVerdict(fields: Fields): ProbeVerdict {
  return {
    accel: oneOf(fields, "accel", ACCELS),
    reason: text(fields, "reason"),
    bootMs: countOrNull(fields, "boot_ms"),
    qemu: text(fields, "qemu"),
    tscKhz: count(fields, "tsc_khz"),
    level: oneOf(fields, "level", CONFINEMENTS),
    missing: texts(fields, "missing"),
    landlockAbi: count(fields, "landlock_abi"),
  };
}

/** The content of `exit.json`. @throws {OmertaError} `vm-failed` where it is not that. */
export function parseExit(content: string): HelperExit {
  const fields = parseObject(content);
  return { reason: oneOf(fields, "reason", REASONS), detail: text(fields, "detail") };
}

function parseObject(line: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new OmertaError("vm-failed", "The VM helper did not answer in JSON", { cause });
  }
  return isObject(value) ? value : unexpected("value");
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unexpected(what: string): never {
  throw new OmertaError("vm-failed", `The VM helper answered with an unexpected ${what}`, {
    hint: "Is bin/ of the state directory from another build?",
  });
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value : unexpected(name);
}

function count(fields: Fields, name: string): number {
  const value = fields[name];
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : unexpected(name);
}

function countOrNull(fields: Fields, name: string): number | null {
  return fields[name] === null ? null : count(fields, name);
}

function object(fields: Fields, name: string): Fields {
  const value = fields[name];
  return isObject(value) ? value : unexpected(name);
}

function counts(fields: Fields): Record<string, number> {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, count(fields, name)]));
}

function texts(fields: Fields, name: string): string[] {
  const value = fields[name];
  if (!Array.isArray(value)) return unexpected(name);
  return value.map((item) => typeof item === "string" ? item : unexpected(name));
}

function oneOf<T extends string>(fields: Fields, name: string, known: readonly T[]): T {
  return known.find((value) => value === fields[name]) ?? unexpected(name);
}
