/**
 * Commands about several things, of which some failed: the document says all, stderr says why, and
 * the exit status is that of the first failure.
 *
 * @module
 */
import { sentence } from "../base/mod.ts";
import type { ErrorDoc } from "../api/error_doc.ts";
import { hintOf } from "./hints.ts";
import type { Output } from "./output.ts";

/** Says each failure on stderr; gives the exit status: 0 where nothing failed. */
export function reportFailed(
  out: Output,
  failed: readonly { readonly id: string; readonly error: ErrorDoc }[],
): number {
  for (const { id, error } of failed) {
    out.failure(`${id}: ${sentence(error.message)}`, hintOf(error));
  }
  return failed[0]?.error.exit ?? 0;
}
