/**
 * The VM helper `omerta-vm` as a node uses it: started detached, so that a VM outlives the node that
 * asked for it, then reached by `VMDIR/ctl.sock`, by this node or the next.
 *
 *     startHelper ──spec──▶ omerta-vm run VMDIR ──one line──▶ done; from then on connectHelper
 *     probeKvm    ──spec──▶ omerta-vm probe     ──one line──▶ verdict
 *
 * The protocol's other half is `ffi/vm`; its README has the details.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { OmertaError } from "../../base/mod.ts";
import {
  type HelperExit,
  parseAnswer,
  parseExit,
  parseVerdict,
  type ProbeVerdict,
} from "./helper_status.ts";

export * from "./helper_client.ts";
export * from "./helper_status.ts";

/** What starts a VM. */
export interface StartHelper {
  /** Path of the program `omerta-vm`. */
  readonly helper: string;
  /** VMDIR: absolute, 0700, of this user, and there. */
  readonly dir: string;
  /** Text of `key=value` lines, as `launchSpec` of `src/vm` writes it. */
  readonly spec: string;
}

/** What asks whether KVM works. */
export interface ProbeKvm {
  /** Path of the program `omerta-vm`. */
  readonly helper: string;
  readonly qemu: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The image's kernel command line; the helper's own where it is left out. */
  readonly append?: string;
  /** How long the guest may need to boot. */
  readonly timeoutMs: number;
}

/** QEMU speaks within 100 ms, the helper gives it 15 s, and copies an image before. */
const START_MS = 30_000;
/** Longest answer: a failure with QEMU's last words. */
const OUTPUT_CHARS_MAX = 8 * 1024;

/**
 * Starts a helper and its VM; resolves when QEMU runs and `ctl.sock` listens.
 *
 * @throws {OmertaError} what the helper says (`qemu-missing`, `image-missing`, `vm-failed`,
 * `disk-full`, `exists` where a helper serves this directory already), or `native-damaged` where it
 * cannot be started at all. Nothing is left running then.
 */
export async function startHelper({ helper, dir, spec }: StartHelper): Promise<void> {
  parseAnswer(await runHelper(helper, ["run", dir], spec, START_MS));
}

/**
 * Boots the guest under KVM to see whether that works.
 *
 * @throws {OmertaError} where QEMU cannot run here at all, as `startHelper` does.
 */
export async function probeKvm(probe: ProbeKvm): Promise<ProbeVerdict> {
  const { qemu, kernel, initrd, append, timeoutMs } = probe;
  const fields = { qemu, kernel, initrd, timeout_ms: timeoutMs, ...(append && { append }) };
  const spec = Object.entries(fields).map(([key, value]) => `${key}=${value}\n`).join("");
  const line = await runHelper(probe.helper, ["probe"], spec, timeoutMs + START_MS);
  return parseVerdict(parseAnswer(line));
}

/** Why the VM of `dir` ended, or `undefined` while it has not, or if its helper was killed. */
export async function readHelperExit(dir: string): Promise<HelperExit | undefined> {
  try {
    return parseExit(await Deno.readTextFile(`${dir}/exit.json`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Whether anything of a VM lives in `dir`: the helper holds the lock for its whole life, and QEMU's
 * init until QEMU is dead, should the helper have been killed. So where it is free, nothing of the VM
 * runs, and the directory can be removed.
 */
export async function isHelperAlive(dir: string): Promise<boolean> {
  let lock: Deno.FsFile;
  try {
    lock = await Deno.open(`${dir}/lock`, { read: true, write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  try {
    return !await lock.tryLock(true);
  } finally {
    lock.close();
  }
}

/** Runs the helper until it has closed its standard output; what it wrote there. */
async function runHelper(
  helper: string,
  args: string[],
  spec: string,
  timeoutMs: number,
): Promise<string> {
  const { spawn } = await import("node:child_process"); // slow to load: only where it is used
  const child = spawn(helper, args, {
    detached: true, // a child that is not would be killed with us
    cwd: "/",
    env: {},
    stdio: ["pipe", "pipe", "ignore"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs); // and QEMU with it
  try {
    return await exchange(child, spec);
  } finally {
    clearTimeout(timer);
    child.stdin?.destroy();
    child.stdout?.destroy();
    if (child.pid !== undefined) child.unref(); // there is none where it could not be started
  }
}

function exchange(child: ChildProcess, spec: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.on("error", (cause) => reject(unstartable(cause)));
    child.stdin?.on("error", () => {}); // it ended without reading all: its answer tells why
    child.stdin?.end(spec);
    child.stdout?.setEncoding("utf8");
    child.stdout?.on("data", (piece: string) => {
      output = (output + piece).slice(0, OUTPUT_CHARS_MAX);
    });
    child.stdout?.on("error", (cause) => reject(unstartable(cause)));
    child.stdout?.on("end", () => output === "" ? reject(silent()) : resolve(output));
  });
}

function unstartable(cause: unknown): OmertaError {
  return new OmertaError("native-damaged", "The VM helper cannot be started", { cause });
}

function silent(): OmertaError {
  return new OmertaError("vm-failed", "The VM helper ended without an answer", {
    hint: "Perhaps it was killed: see the system's log.",
  });
}
