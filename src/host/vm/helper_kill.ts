/**
 * The end of a VM's helper that does not answer. Its directory's lock is the proof that something of
 * the VM still runs, and names the process that took it; that this process is a helper for exactly
 * this directory is read from its command line. Only then it is killed, and QEMU dies with it.
 *
 * Between the reading and the kill the process could end and its number be given to another one: a
 * window of microseconds, for which the system would have to use up all other numbers.
 *
 * @module
 */
import { isHelperAlive } from "./helper.ts";
import { delay } from "../delay.ts";

/** How long a lock is waited for that is about to be free: QEMU is killed within 500 ms. */
const FREE_MS = 3_000;
const LOOK_AGAIN_MS = 25;

/**
 * Waits a moment until nothing of the VM in `dir` runs any more.
 *
 * @returns whether that is so.
 */
export async function untilHelperGone(dir: string, waitMs = FREE_MS): Promise<boolean> {
  const until = performance.now() + waitMs;
  while (await isHelperAlive(dir)) {
    if (performance.now() >= until) return false;
    await delay(LOOK_AGAIN_MS);
  }
  return true;
}

/** Kills the helper of `dir`, and waits until nothing of its VM runs. Returns whether that is so. */
export async function killHelper(dir: string): Promise<boolean> {
  const pid = await helperOf(dir);
  if (pid === undefined) return await untilHelperGone(dir, 0);
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it has just ended
  }
  return await untilHelperGone(dir);
}

/** The process that holds the lock of `dir`, where it is a helper for it. */
export async function helperOf(dir: string): Promise<number | undefined> {
  const holders = await lockHolders(`${dir}/lock`);
  for (const pid of holders) {
    if (await servesDirectory(pid, dir)) return pid;
  }
  return undefined;
}

/** Processes that hold a lock of the file. Source: proc_locks(5). */
async function lockHolders(path: string): Promise<number[]> {
  try {
    const { ino } = await Deno.stat(path);
    const locks = await Deno.readTextFile("/proc/locks");
    const lock = /^\d+: FLOCK\s+\S+\s+\S+\s+(\d+) \S+:(\d+) /;
    return locks.split("\n").flatMap((line) => {
      const [, pid, inode] = lock.exec(line) ?? [];
      return pid !== undefined && Number(inode) === ino && Number(pid) > 1 ? [Number(pid)] : [];
    });
  } catch {
    return []; // no lock, or no right to see whose
  }
}

async function servesDirectory(pid: number, dir: string): Promise<boolean> {
  try {
    const words = (await Deno.readTextFile(`/proc/${pid}/cmdline`)).split("\0");
    const run = words.lastIndexOf("run");
    const served = run > 0 ? words[run + 1] ?? "" : "";
    return served.startsWith("/") && await Deno.realPath(served) === await Deno.realPath(dir);
  } catch {
    return false; // it has ended, or is not ours to look at
  }
}
