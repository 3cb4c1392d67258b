/**
 * By what VMs are run: dry runs by one runner, real ones by the other.
 *
 * @module
 */
import type { VmRunner } from "../../host/vm/vm_runner.ts";
import type { HostVm } from "../../market/mod.ts";

/** By what VMs are run. */
export interface Runners {
  /** `null`: nothing is lent but dry runs. */
  readonly real: VmRunner | null;
  readonly dry: VmRunner;
}

/** What runs this VM. */
export function runnerOf({ real, dry }: Runners, { dryRun }: Pick<HostVm, "dryRun">): VmRunner {
  return dryRun ? dry : real ?? dry;
}
