/**
 * What peers are told when something goes wrong here: the code and the sentence, never where files of
 * this machine lie, for that names its user and its ways.
 *
 * @module
 */
import { OmertaError } from "../base/mod.ts";
import type { Refusal } from "../node/mod.ts";

/** An error as a refusal for a peer; of a defect no more than that there was one. */
export function outward(error: unknown): Refusal {
  if (!(error instanceof OmertaError)) {
    return { code: "internal", message: "The peer met a defect of its own" };
  }
  const refusal = { code: error.code, message: withoutPaths(error.message) };
  const retryMs = error.fields["retryMs"];
  return typeof retryMs === "number" ? { ...refusal, retryMs } : refusal;
}

/** The text with absolute paths as `…`, and well-formed, so that it can be encoded. */
export function withoutPaths(text: string): string {
  return text.replace(/(^|[\s"'`(=:])\/[^\s"'`(),:;]+/g, "$1…").toWellFormed();
}
