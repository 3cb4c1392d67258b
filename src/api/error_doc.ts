/**
 * Failures as parts of documents.
 *
 * @module
 */
import type { ErrorDoc } from "./methods.ts";
import { OmertaError } from "../base/mod.ts";

/** An error as a document shows it beside what went well. */
export function errorDoc(error: unknown): ErrorDoc {
  const known = error instanceof OmertaError ? error : new OmertaError("internal", String(error));
  const { code, message, hint, exit, fields } = known;
  return { ...fields, code, message, hint: hint ?? null, exit };
}
