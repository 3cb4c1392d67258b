/**
 * What the system knows: time, randomness, processors, memory, addresses, programs.
 *
 * @module
 */
import type { Instant, Random } from "../base/mod.ts";

/** Most bytes of one `getRandomValues`. Source: Web Cryptography API §10.1.1. */
const RANDOM_BYTES_MAX = 65_536;

/** The process that this is. */
export const OWN_PID: number = Deno.pid;

/** The system's own randomness: for keys. */
export const systemRandom: Random = {
  bytes(count) {
    const bytes = new Uint8Array(count);
    for (let offset = 0; offset < count; offset += RANDOM_BYTES_MAX) {
      crypto.getRandomValues(bytes.subarray(offset, offset + RANDOM_BYTES_MAX));
    }
    return bytes;
  },
};

/** Monotonic milliseconds; they stand still while the machine sleeps. */
export function monotonicNow(): Instant {
  return performance.now() as Instant;
}

/** Milliseconds since the machine booted, sleep included, in steps of 10. Source: proc(5). */
export function bootTimeMs(): number {
  const [seconds = ""] = Deno.readTextFileSync("/proc/uptime").split(" ");
  return Math.round(Number(seconds) * 1000);
}

/** Identifies this boot of the machine: boot times of another one mean nothing. */
export function bootId(): string {
  return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
}

/** The processors that this process may use. */
export function cpuCount(): number {
  return navigator.hardwareConcurrency;
}

/** Memory of the machine, or of the container where that is less. */
export function memoryTotalBytes(): number {
  const { total } = Deno.systemMemoryInfo();
  return Math.min(total, containerLimit());
}

/** Memory that could be used now without swapping. */
export function memoryAvailableBytes(): number {
  return Deno.systemMemoryInfo().available;
}

/**
 * Memory that a process and its children have taken; 0 where that cannot be read.
 *
 * Source: proc(5), `VmRSS` of `status`, and `children`.
 */
export function residentBytes(pid: number): number {
  const own = residentBytesOf(pid);
  try {
    const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
    const pids = children === "" ? [] : children.split(" ").map(Number);
    return pids.reduce((sum, child) => sum + residentBytesOf(child), own);
  } catch {
    return own; // a kernel without that file
  }
}

function residentBytesOf(pid: number): number {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0; // it has ended
  }
}

/** Memory of this process. */
export function processMemoryBytes(): number {
  return Deno.memoryUsage().rss;
}

function containerLimit(): number {
  try {
    const limit = Number(Deno.readTextFileSync("/sys/fs/cgroup/memory.max"));
    return Number.isFinite(limit) ? limit : Infinity; // "max"
  } catch {
    return Infinity; // no version 2 control group
  }
}

/** An address of one of this machine's interfaces. */
export interface LocalAddress {
  readonly interface: string;
  readonly family: "ipv4" | "ipv6";
  readonly address: string;
  readonly prefixLength: number;
}

/** The addresses of all interfaces, loopback and link-local ones included. */
export function localAddresses(): LocalAddress[] {
  return Deno.networkInterfaces().map(({ name, family, address, cidr }) => ({
    interface: name,
    family: family === "IPv4" ? "ipv4" : "ipv6",
    address,
    prefixLength: Number(cidr.slice(cidr.indexOf("/") + 1)),
  }));
}

/** Where programs are that a user's PATH often lacks. */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The absolute path of a program by its name, or absolute path, or `undefined` where there is none to execute. */
export function findExecutable(
  name: string,
  path = Deno.env.get("PATH") ?? "",
): string | undefined {
  if (name.startsWith("/")) return isExecutable(name) ? name : undefined;
  const directories = path.split(":").filter((directory) => directory.startsWith("/"));
  return [...directories, ...SYSTEM_DIRECTORIES]
    .map((directory) => `${directory}/${name}`)
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    const info = Deno.statSync(path);
    return info.isFile && ((info.mode ?? 0) & 0o111) !== 0;
  } catch {
    return false; // missing, or in a directory that is not ours to enter
  }
}

/** Milliseconds of the wall clock: what certificates and leases are dated by. */
export function wallNowMs(): number {
  return Date.now();
}

/** How the wall clock is compared with the machine's own. */
export interface ClockSources {
  readonly wallMs: () => number;
  /** Counts sleep too, so that waking up is no step. */
  readonly bootMs: () => number;
}

/** A difference that is a step: more than what slewing and 10 ms ticks make. Guess. */
export const CLOCK_STEP_MS = 1_000;

/**
 * Watches the wall clock for steps.
 *
 * @returns a function that gives the milliseconds by which the clock was stepped since its last
 * call: 0 for none, negative for back.
 */
export function watchClock(
  { wallMs, bootMs }: ClockSources = { wallMs: wallNowMs, bootMs: bootTimeMs },
): () => number {
  let offset = wallMs() - bootMs();
  return () => {
    const now = wallMs() - bootMs();
    const step = now - offset;
    offset = now; // slow drift is followed
    return Math.abs(step) >= CLOCK_STEP_MS ? step : 0;
  };
}
