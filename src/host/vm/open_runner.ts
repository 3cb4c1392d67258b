/**
 * Opens what really runs VMs on this machine: finds QEMU and the image, finds out whether KVM works and how
 * well QEMU is confined, and says so.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { Confinement } from "../../market/mod.ts";
import { assetPath } from "../assets.ts";
import type { Log } from "../log.ts";
import { checkSocketPath, type StatePaths } from "../state/state.ts";
import type { Store } from "../store/mod.ts";
import { findExecutable } from "../system.ts";
import { Accelerator } from "./accelerator.ts";
import { confinementRemedy, requireConfinement } from "./confinement.ts";
import { probeKvm } from "./helper.ts";
import type { Images, VerifiedImage } from "./images.ts";
import { kvmAccess, kvmCircumstances, kvmRemedy, userNamespaceRemedy } from "./kvm.ts";
import { QemuRunner } from "./qemu_runner.ts";
import type { VmRunner } from "./vm_runner.ts";

/** With what it is opened. */
export interface OpenRunner {
  readonly paths: StatePaths;
  readonly store: Pick<Store, "values">;
  readonly log: Log;
  readonly images: Images;
  /** The least confinement with which anything is run. */
  readonly least: Confinement;
  wallMs(): number;
  /** The accelerator, or the confinement, became another one. */
  onVerdict(): void;
}

/** What really runs VMs. `accelerator` is to be closed. */
export interface OpenedRunner {
  readonly runner: VmRunner;
  readonly accelerator: Accelerator;
}

/** The image whose kernel is booted to find out about KVM, and that a renter gets who names none. */
const IMAGE = "micro";

/**
 * Opens it.
 *
 * @throws {OmertaError} `unsupported`, `qemu-missing`, `image-missing`, `image-corrupt`, `weak-isolation`;
 * `usage` where the path of the state is too long for a VM's socket.
 */
export async function openRunner(parts: OpenRunner): Promise<OpenedRunner> {
  const { images, least, log, paths } = parts;
  const qemu = requireQemu();
  checkSocketPath(`${paths.vms}/${"x".repeat(16)}/ctl.sock`);
  const helper = await assetPath("omerta-vm", paths.dir);
  const image = await images.find(IMAGE);
  const accelerator = await openAccelerator(parts, { helper, qemu, image });
  try {
    sayConfinement(log, accelerator.confinement, least);
  } catch (error) {
    accelerator.close();
    throw error;
  }
  const runner = new QemuRunner({
    directory: paths.vms,
    helper,
    qemu,
    accelerator: () => accelerator.kind,
    confinement: () => accelerator.confinement.level,
    least,
    doubt: () => accelerator.doubt(),
    images,
    log,
  });
  return { runner, accelerator };
}

async function openAccelerator(
  { store, log, wallMs, onVerdict }: OpenRunner,
  programs: { readonly helper: string; readonly qemu: string; readonly image: VerifiedImage },
): Promise<Accelerator> {
  const { helper, qemu, image } = programs;
  const { kernel, initrd, manifest } = image;
  const append = `${manifest.append} omerta.probe=1`;
  const accelerator = await Accelerator.open({
    store,
    log,
    programs: [...await Promise.all([qemu, helper].map(fingerprint)), image.id].join(" "),
    circumstances: kvmCircumstances,
    remedy: () => kvmRemedy(kvmAccess()),
    probe: (timeoutMs) => probeKvm({ helper, qemu, kernel, initrd, append, timeoutMs }),
    wallMs,
    onChange: onVerdict,
  });
  const { kind, reason, remedy } = accelerator;
  if (kind === "kvm") log.info(`VMs run by KVM: ${reason}`);
  else {
    const mend = remedy === null ? "it is tried again" : `to mend it, ${remedy}`;
    log.warn(`VMs are emulated, ten times slower than by KVM: ${reason}; ${mend}`);
  }
  return accelerator;
}

/** A text that changes with a program. */
async function fingerprint(path: string): Promise<string> {
  const { size, mtime } = await Deno.stat(path);
  return `${path} ${size} ${mtime?.getTime() ?? 0}`;
}

/** @throws {OmertaError} `weak-isolation`. */
function sayConfinement(
  log: Log,
  confinement: Accelerator["confinement"],
  least: Confinement,
): void {
  const { level, missing } = confinement;
  const remedy = confinementRemedy(missing, userNamespaceRemedy());
  requireConfinement(confinement, least, remedy);
  if (missing.length === 0) return log.info(`QEMU is confined: ${level}`);
  const mend = remedy === null ? "" : `; to mend it, ${remedy}`;
  log.warn(`QEMU is confined: ${level}, without ${missing.join(", ")}${mend}`);
}

function requireQemu(): string {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new OmertaError("unsupported", "A provider runs on Linux on x86-64 only, for now", {
      hint: "Try the protocol with --dry-run, or rent from here.",
    });
  }
  const named = Deno.env.get("OMERTA_QEMU") ?? "";
  const qemu = findExecutable(named === "" ? "qemu-system-x86_64" : named);
  if (qemu !== undefined) return qemu;
  if (named !== "") {
    throw new OmertaError("qemu-missing", `OMERTA_QEMU names no program: ${named}`, {
      hint: "Name the QEMU that is to run, or leave the variable out.",
    });
  }
  throw new OmertaError("qemu-missing", "QEMU is not installed", {
    hint: "Install it (Debian: apt install qemu-system-x86), or try with --dry-run.",
  });
}
