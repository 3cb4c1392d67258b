/**
 * Failures as documents: the one place where an error becomes what scripts read.
 *
 * ```text
 * OmertaError{code, message, hint, fields} ──▶ {…fields, code, message, hint, exit}
 * anything else, which is a defect         ──▶ {code: "internal", message, hint, exit: 1}
 * ```
 *
 * Whoever writes an error for another process does it by this: the local API, a background node that could
 * not start, the command line under `--json`. Light: it loads no package. The way back is `errorOf` of `host/process/node_client.ts`.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";

/** An operating failure as a part of a document: fields of its code's own may stand beside. */
export interface ErrorDoc {
  /** One of `ERRORS`: stable, for scripts. */
  readonly code: string;
  /** A sentence without its full stop. */
  readonly message: string;
  /** What the person can do next; `null`: nothing that would be known in general. */
  readonly hint: string | null;
  /** The exit status of the code's class. */
  readonly exit: number;
}

/**
 * An error as a document. The wait before one may ask again, which errors carry as `retryMs`, is
 * written as all durations are: `retry_ms`.
 *
 * @example
 * ```ts
 * errorDoc(new OmertaError("provider-full", "No room", { fields: { retryMs: 1_000 } }));
 * // {"retry_ms":1000,"code":"provider-full","message":"No room","hint":null,"exit":6}
 * ```
 */
export function errorDoc(error: unknown): ErrorDoc & Readonly<Record<string, unknown>> {
  if (!(error instanceof OmertaError)) return defectDoc(error);
  const { code, message, hint, exit } = error;
  const { retryMs, ...fields } = error.fields;
  const retry = retryMs === undefined ? {} : { retry_ms: retryMs };
  return { ...fields, ...retry, code, message, hint: hint ?? null, exit };
}

function defectDoc(error: unknown): ErrorDoc & Readonly<Record<string, unknown>> {
  return {
    code: "internal",
    message: error instanceof Error ? error.message : String(error),
    hint: "This is a defect of omerta: please report it with the last lines of the node's log.",
    exit: 1,
  };
}
