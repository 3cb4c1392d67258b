/**
 * The text by which a VM's helper learns what to launch: `key=value` lines on its standard input.
 * Nothing in it is secret; the guest's keys are in the seed file that it names.
 *
 * @module
 */
import {
  hasControls,
  memoryMib,
  VM_SIZE_RANGES,
  VM_TIME_RANGE_MS,
  type VmSize,
} from "../base/mod.ts";

/** What to launch. All paths are absolute. */
export interface LaunchSpec {
  readonly qemu: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The guest's seed archive: put before the initramfs, and removed by the helper at the end. */
  readonly seed: string;
  /** The manifest's kernel command line; the helper adds what depends on host and accelerator. */
  readonly append: string;
  readonly size: VmSize;
  readonly accel: "kvm" | "tcg";
  /** A raw disk for `/data`, or `undefined`. */
  readonly disk?: string | undefined;
  /** What it may do at most; the helper's own limits where it is left out. */
  readonly rates?: LaunchRates | undefined;
  readonly leaseMs: number;
  /** From now. */
  readonly lifeMs: number;
}

/** What a VM may do in a second: datagrams each way, reads and writes together. */
export interface LaunchRates {
  readonly wirePackets: number;
  readonly wireBytes: number;
  readonly diskOps: number;
  readonly diskBytes: number;
}

/** As the helper's own bounds: above what any machine does. */
const RATE_OPS_MAX = 1e8;
const RATE_BYTES_MAX = 1e11;

/** What the helper takes of memory. */
const MIB_MIN = memoryMib({ memoryBytes: VM_SIZE_RANGES.memoryBytes.min });
const MIB_MAX = memoryMib({ memoryBytes: VM_SIZE_RANGES.memoryBytes.max });

/** Longest specification that the helper reads. */
const LAUNCH_SPEC_BYTES_MAX = 64 * 1024;

/** The text of a specification. Throws `RangeError` where a field cannot be meant. */
export function launchSpec(spec: LaunchSpec): string {
  const { cpu } = VM_SIZE_RANGES;
  const fields: readonly (readonly [string, string])[] = [
    ["qemu", absolute("qemu", spec.qemu)],
    ["kernel", absolute("kernel", spec.kernel)],
    ["initrd", absolute("initrd", spec.initrd)],
    ["seed", absolute("seed", spec.seed)],
    ["append", plain("append", spec.append)],
    ["cpus", whole("cpu", spec.size.cpu, cpu.min, cpu.max)],
    ["memory_mib", whole("memoryMib", memoryMib(spec.size), MIB_MIN, MIB_MAX)],
    ["accel", spec.accel],
    ...(spec.disk === undefined ? [] : [["disk", absolute("disk", spec.disk)] as const]),
    ...rateFields(spec.rates),
    ["lease_ms", whole("leaseMs", spec.leaseMs, VM_TIME_RANGE_MS.min, VM_TIME_RANGE_MS.max)],
    ["life_ms", whole("lifeMs", spec.lifeMs, 1, VM_TIME_RANGE_MS.max)],
  ];
  const text = fields.map(([key, value]) => `${key}=${value}\n`).join("");
  if (new TextEncoder().encode(text).length > LAUNCH_SPEC_BYTES_MAX) {
    throw new RangeError(`Cannot write launch specification: longer than ${LAUNCH_SPEC_BYTES_MAX}`);
  }
  return text;
}

function rateFields(rates: LaunchRates | undefined): readonly (readonly [string, string])[] {
  if (rates === undefined) return [];
  return [
    ["wire_packets", whole("wirePackets", rates.wirePackets, 1, RATE_OPS_MAX)],
    ["wire_bytes", whole("wireBytes", rates.wireBytes, 1, RATE_BYTES_MAX)],
    ["disk_ops", whole("diskOps", rates.diskOps, 1, RATE_OPS_MAX)],
    ["disk_bytes", whole("diskBytes", rates.diskBytes, 1, RATE_BYTES_MAX)],
  ];
}

function absolute(what: string, path: string): string {
  if (path.startsWith("/")) return plain(what, path);
  throw new RangeError(`Cannot use ${what} as an absolute path: current value is ${path}`);
}

/** A value that stays one line. */
function plain(what: string, value: string): string {
  if (!hasControls(value)) return value;
  throw new RangeError(`Cannot use ${what}: it holds control characters`);
}

function whole(what: string, value: number, min: number, max: number): string {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return String(value);
  throw new RangeError(`Cannot use ${what}: current value is ${value}, range is ${min} to ${max}`);
}
