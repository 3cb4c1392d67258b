/**
 * How an end-to-end test is declared: a sentence, the lab that it wants, and whether it is one of those
 * that prove the compiled binary too.
 *
 * @module
 */
import { CAN_MAKE_NAMESPACES, type Lab, type LabPlan, withLab } from "../lab.ts";

/** What a test needs. */
export interface Needs {
  /** NATs in namespaces; without it the lab is on loopback. */
  readonly plan?: LabPlan;
  /** Needs root for another reason: mounts, a raw socket. */
  readonly root?: boolean;
  /** Also run against the compiled binary: one test per family of faults. */
  readonly binary?: boolean;
  /** Why its nodes log defects of ours: the test makes them. */
  readonly defects?: string;
}

/** Declares a test that runs in a fresh lab. */
export function e2e(name: string, needs: Needs, body: (lab: Lab) => Promise<void>): void {
  if (Deno.env.get("OMERTA_E2E") === "binary" && needs.binary !== true) return;
  const reason = obstacle(needs);
  // deno-lint-ignore no-console -- a test that cannot run here says so
  if (reason !== undefined) console.log(`skipped: ${name}: ${reason}`);
  Deno.test({
    name,
    ignore: reason !== undefined,
    // The lab waits for every process and stream itself, and removes what is left.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: () => withLab({ name, plan: needs.plan, ...defectsOf(needs) }, body),
  });
}

function defectsOf({ defects }: Needs): { defects?: string } {
  return defects === undefined ? {} : { defects };
}

/** Why a test cannot run here: a word for `OMERTA_TEST_MAY_SKIP`, and a sentence. */
function obstacle(needs: Needs): string | undefined {
  if ((needs.plan !== undefined || needs.root === true) && !CAN_MAKE_NAMESPACES) {
    return "root: only root can make network namespaces and mounts";
  }
  return undefined;
}
