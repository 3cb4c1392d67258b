/**
 * Commands about several things, of which some failed: the document says all, stderr says why, and
 * the exit status is that of the first failure.
 *
 * @module
 */
import type { ErrorDoc } from "../api/methods.ts";
import { sentence } from "./failure.ts";
import { usualHint } from "./hints.ts";
import type { Output } from "./output.ts";

/** Says each failure on stderr; gives the exit status: 0 where nothing failed. */
export function reportFailed(
  out: Output,
  failed: readonly { readonly id: string; readonly error: ErrorDoc }[],
): number {
  for (const { id, error } of failed) {
    // A peer's words stand alone, as in failure.ts.
    const usual = "said_by" in error ? null : usualHint(error.code);
    out.failure(`${id}: ${sentence(error.message)}`, error.hint ?? usual);
  }
  return failed[0]?.error.exit ?? 0;
}
