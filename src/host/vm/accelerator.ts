/**
 * By what VMs are run and how QEMU is confined: found out by booting the guest's own kernel under KVM,
 * with a deadline, because a device that is there proves nothing.
 *
 * ```text
 *  kept good verdict, same circumstances ──▶ kvm, no probe
 *  else probe (3 s) ──booted──▶ kvm, kept
 *                   ──not─────▶ tcg, never kept; probed again behind, with more time: after 15 s,
 *                               1 min, 5 min …, and at once when the circumstances changed
 * ```
 *
 * A machine that was slow at boot, or whose owner just got the right to the device, is so emulated for
 * seconds and not until its next reboot.
 *
 * @module
 */
import { stepMs } from "../../base/mod.ts";
import type { Log } from "../log.ts";
import type { Store } from "../store/mod.ts";
import type { Confinement } from "../../market/mod.ts";
import type { ProbeVerdict } from "./helper.ts";

/** How long a guest under KVM may take to its marker at the start. Source: vm research §0.1 (3 s). */
const PROBE_MS = 3_000;
/** The same behind, where nobody waits: KVM within a VM took 9 to 14 s. Source: tests/nested. */
const PATIENT_PROBE_MS = 30_000;
/** After which times without KVM it is tried again; the last one over and over. Guess. */
const RETRY_MS = [15_000, 60_000, 300_000, 900_000, 3_600_000] as const;
/** How often the circumstances are looked at: a few small files. Guess. */
const LOOK_MS = 15_000;

/** What is known of the accelerator. */
export interface AcceleratorVerdict {
  readonly kind: "kvm" | "tcg";
  readonly probedAtMs: number;
  readonly reason: string;
  /** What a person can do for a better one; `null`: nothing is known. */
  readonly remedy: string | null;
  readonly confinement: {
    readonly level: Confinement;
    readonly missing: readonly string[];
  };
}

/** A good verdict as it is kept, with that to which it belongs. */
interface Kept extends AcceleratorVerdict {
  readonly of: string;
}

/** What judging takes from outside. */
export interface AcceleratorParts {
  readonly store: Pick<Store, "values">;
  readonly log: Log;
  /** QEMU, helper and image, as a text that changes with any of them. */
  readonly programs: string;
  /** The system, as a text that changes whenever another verdict could come out. */
  circumstances(): string;
  /** What a person can do so that KVM can be opened. */
  remedy(): string | null;
  /** Boots a guest under KVM. */
  probe(timeoutMs: number): Promise<ProbeVerdict>;
  wallMs(): number;
  /** Another verdict than before holds. */
  onChange(): void;
}

/** The verdict of a running provider, which may become better. */
export class Accelerator implements AcceleratorVerdict {
  readonly #parts: AcceleratorParts;
  #verdict: AcceleratorVerdict;
  #circumstances: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #waitedMs = 0;
  #tries = 0;
  #isProbing = false;
  #closed = false;

  private constructor(parts: AcceleratorParts, verdict: AcceleratorVerdict) {
    this.#parts = parts;
    this.#verdict = verdict;
    this.#circumstances = parts.circumstances();
  }

  /**
   * The kept verdict, or a fresh one; what is not good is looked at again from now on.
   *
   * @throws {OmertaError} what keeps the helper or QEMU from running at all.
   */
  static async open(parts: AcceleratorParts): Promise<Accelerator> {
    const kept = keptVerdict(parts);
    const accelerator = new Accelerator(parts, kept ?? await judge(parts, PROBE_MS));
    accelerator.#arm();
    return accelerator;
  }

  get kind(): "kvm" | "tcg" {
    return this.#verdict.kind;
  }

  get probedAtMs(): number {
    return this.#verdict.probedAtMs;
  }

  get reason(): string {
    return this.#verdict.reason;
  }

  get remedy(): string | null {
    return this.#verdict.remedy;
  }

  get confinement(): AcceleratorVerdict["confinement"] {
    return this.#verdict.confinement;
  }

  /** A VM could not be started under KVM: what was found out may hold no longer. */
  doubt(): void {
    if (this.kind !== "kvm" || this.#closed) return;
    this.#parts.store.values.delete(KEY);
    this.#again();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.kind === "kvm" || this.#closed) return;
    this.#timer = setTimeout(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    this.#waitedMs += LOOK_MS;
    const circumstances = this.#parts.circumstances();
    const hasChanged = circumstances !== this.#circumstances;
    this.#circumstances = circumstances;
    if (hasChanged) this.#tries = 0;
    const dueMs = stepMs(RETRY_MS, this.#tries);
    if (hasChanged || this.#waitedMs >= dueMs) this.#again();
    else this.#arm();
  }

  #again(): void {
    clearTimeout(this.#timer);
    if (this.#isProbing) return; // what it finds is armed anew
    this.#isProbing = true;
    this.#waitedMs = 0;
    this.#tries++;
    const failed = (error: unknown) =>
      this.#parts.log.debug("KVM could not be tried", { error: String(error) });
    void judge(this.#parts, PATIENT_PROBE_MS).then((verdict) => this.#take(verdict), failed)
      .finally(() => {
        this.#isProbing = false;
        this.#arm();
      });
  }

  #take(verdict: AcceleratorVerdict): void {
    if (this.#closed) return;
    const { kind, confinement } = this.#verdict;
    this.#verdict = verdict;
    const isSame = verdict.kind === kind && verdict.confinement.level === confinement.level;
    if (isSame) return;
    this.#parts.log.info(`VMs run by ${verdict.kind} from now on: ${verdict.reason}`);
    this.#parts.onChange();
  }
}

const KEY = "accelerator";

function keyOf({ programs, circumstances }: AcceleratorParts): string {
  return `${programs} ${circumstances()}`;
}

function keptVerdict(parts: AcceleratorParts): AcceleratorVerdict | undefined {
  const kept = parts.store.values.get(KEY);
  if (kept?.of !== keyOf(parts) || kept.kind !== "kvm") return undefined;
  const { kind, probedAtMs, reason, confinement } = kept;
  return { kind, probedAtMs, reason, confinement, remedy: null };
}

/** Tries it; only what is good is kept. */
async function judge(parts: AcceleratorParts, timeoutMs: number): Promise<AcceleratorVerdict> {
  const of = keyOf(parts);
  const probe = await parts.probe(timeoutMs);
  const verdict = {
    kind: probe.accel,
    probedAtMs: parts.wallMs(),
    reason: probe.reason,
    remedy: probe.accel === "kvm" ? null : parts.remedy(),
    confinement: { level: probe.level, missing: probe.missing },
  };
  if (verdict.kind === "kvm") parts.store.values.put(KEY, { ...verdict, of } satisfies Kept);
  else parts.store.values.delete(KEY);
  return verdict;
}
