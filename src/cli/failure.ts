/**
 * How a command fails: an error becomes a sentence with its hint, a JSON document, and an exit status.
 *
 * @module
 */
import { ERRORS, OmertaError } from "../base/errors.ts";
import { sentence } from "../base/text.ts";
import { type ErrorDoc, errorDoc } from "../api/error_doc.ts";
import type { EndSignal } from "../host/terminal.ts";
import { hintOf } from "./hints.ts";
import type { Output } from "./output.ts";

/** The command was ended by a signal. */
export class Interrupted extends Error {
  readonly signal: EndSignal;

  constructor(signal: EndSignal) {
    super(`ended by ${signal}`);
    this.name = "Interrupted";
    this.signal = signal;
  }

  /** 128 + the signal's number, as shells do. */
  get exit(): number {
    return this.signal === "SIGINT" ? 130 : 143;
  }
}

/** Says why the command failed, and gives its exit status. */
export function fail(out: Output, error: unknown): number {
  if (error instanceof Interrupted) {
    out.clearProgress();
    // One that had said all, and only went on for a while, has not failed.
    if (out.documents === 0) out.document("error", { error: interruptedDoc(error) }, () => []);
    return error.exit;
  }
  const known = error instanceof OmertaError ? error : defect(error);
  printError(out, known);
  out.failure(sentence(known.message), shownDoc(known).hint);
  for (const line of beneath(known)) out.detail(line);
  return known.exit;
}

function printError(out: Output, error: OmertaError): void {
  try {
    out.document("error", { error: shownDoc(error) }, () => []);
  } catch {
    // stdout takes nothing, which may be the very error: stderr says it
  }
}

/** A defect of ours: something was thrown that no person can act upon. */
function defect(cause: unknown): OmertaError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new OmertaError("internal", `This is a defect of omerta: ${message}`, {
    cause,
    hint: "Please report it, with what you did and what --verbose adds.",
  });
}

/** The error as a part of a document, with the usual hint where it has none. */
function shownDoc(error: OmertaError): ErrorDoc {
  const doc = errorDoc(error);
  return { ...doc, hint: hintOf(doc) };
}

function interruptedDoc({ message, exit }: Interrupted): Record<string, unknown> {
  return { code: "interrupted", message: sentence(message), hint: null, exit };
}

/** What lies beneath an error, for `--verbose`. */
function beneath(error: OmertaError): string[] {
  const lines = [`code ${error.code}: ${ERRORS[error.code].about}`];
  let cause: unknown = error.cause;
  for (let depth = 0; cause !== undefined && depth < 8; depth++) {
    const text = cause instanceof Error ? cause.stack ?? cause.message : String(cause);
    lines.push(...`caused by ${text}`.split("\n"));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}
