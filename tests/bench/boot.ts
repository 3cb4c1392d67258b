/**
 * How long QEMU alone needs to boot the image: to the line that it prints when sshd listens, to
 * sshd's banner, and to a first command. What everything around it is compared with.
 *
 *     scripts/bench boot
 *
 * @module
 */
import { BareGuest, bareGuestProblem } from "../vm/bare_guest.ts";
import { figure, heading, print, summarize, type Summary } from "./report.ts";

const ROUNDS = 9;

/** Milliseconds from the start of QEMU. */
export interface BareBoot {
  /** The guest printed that sshd listens. */
  readonly readyMs: number;
  /** The first bytes of sshd arrived here, asked for as soon as it listened. */
  readonly bannerMs: number;
  /** A command had run over ssh, and ssh had ended. */
  readonly commandMs: number;
}

/**
 * Boots the image `micro` once in bare QEMU, emulated as the VM helper emulates, and ends it.
 * Throws where QEMU or the image is missing, or the guest does not come up.
 */
export async function bareBoot(options: { memoryMib?: number } = {}): Promise<BareBoot> {
  const problem = await bareGuestProblem();
  if (problem !== undefined) throw new Error(problem);
  await using guest = await BareGuest.start(options);
  const readyMs = await guest.until("OMERTA-READY");
  const { text, ms: bannerMs } = await guest.banner();
  if (!text.startsWith("SSH-2.0-")) throw new Error(`sshd said ${JSON.stringify(text)}`);
  const { code } = await guest.ssh("true");
  if (code !== 0) throw new Error(`ssh ended with ${code}`);
  return { readyMs, bannerMs, commandMs: performance.now() - guest.began };
}

async function measure(options: { memoryMib?: number }): Promise<Record<keyof BareBoot, Summary>> {
  const boots: BareBoot[] = [];
  await bareBoot(options); // the page cache is warm from the second on
  for (let round = 0; round < ROUNDS; round++) boots.push(await bareBoot(options));
  const of = (field: keyof BareBoot) => summarize(boots.map((boot) => boot[field]));
  return { readyMs: of("readyMs"), bannerMs: of("bannerMs"), commandMs: of("commandMs") };
}

if (import.meta.main) {
  heading("Boot of the image `micro` in bare QEMU (emulated, 1 CPU, warm)");
  for (const memoryMib of [128, 512]) {
    print(` ${memoryMib} MiB of memory`);
    const { readyMs, bannerMs, commandMs } = await measure({ memoryMib });
    figure("QEMU started → sshd listens", readyMs, "ms");
    figure("QEMU started → sshd's banner", bannerMs, "ms");
    figure("QEMU started → first ssh command done", commandMs, "ms");
  }
}
