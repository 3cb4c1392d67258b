/**
 * Whether KVM works here: found out by booting the guest's own kernel under it, with a deadline,
 * because a device that is there proves nothing. The verdict is kept until the machine boots anew,
 * or QEMU or the image change.
 *
 * @module
 */
import type { VerifiedImage } from "../host/images.ts";
import type { Store } from "../host/store.ts";
import { bootId } from "../host/system.ts";
import { type ConfinementLevel, probeKvm } from "../host/vm_helper.ts";

/** How long a guest under KVM may take to its marker. Source: vm research §0.1 (3 s). */
const PROBE_MS = 3_000;

/** What is known of the accelerator. */
export interface AcceleratorVerdict {
  readonly kind: "kvm" | "tcg";
  readonly probedAtMs: number;
  readonly reason: string;
  readonly confinement: { readonly level: ConfinementLevel; readonly missing: readonly string[] };
  /** To what the verdict belongs. */
  readonly of: string;
}

/** The verdict that is kept, or a fresh one. */
export async function judgeAccelerator(
  store: Store,
  parts: {
    readonly helper: string;
    readonly qemu: string;
    readonly image: VerifiedImage;
    readonly nowMs: number;
  },
): Promise<AcceleratorVerdict> {
  const { helper, qemu, image } = parts;
  const info = await Deno.stat(qemu);
  const of = [bootId(), qemu, info.size, info.mtime?.getTime() ?? 0, image.id].join(" ");
  const kept = store.values.get("accelerator") as AcceleratorVerdict | undefined;
  if (kept?.of === of) return kept;
  const { kernel, initrd, manifest } = image;
  const append = `${manifest.append} omerta.probe=1`;
  const probe = await probeKvm({ helper, qemu, kernel, initrd, append, timeoutMs: PROBE_MS });
  const verdict: AcceleratorVerdict = {
    kind: probe.accel,
    probedAtMs: parts.nowMs,
    reason: probe.reason,
    confinement: { level: probe.level, missing: probe.missing },
    of,
  };
  store.values.put("accelerator", verdict);
  return verdict;
}
