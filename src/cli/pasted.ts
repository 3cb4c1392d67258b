/**
 * An invite that comes in on stdin, mostly from somebody's hand.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";
import type { Terminal } from "../host/terminal.ts";
import type { Output } from "./output.ts";

/** Longest invite on stdin with all its white space, far above what one has. */
const INVITE_BYTES_MAX = 16_384;

/** What reading stdin takes. */
export interface Asking {
  readonly terminal: Terminal;
  readonly out: Output;
  readonly signal: AbortSignal;
}

/**
 * All of stdin; a person at a terminal is told what is awaited.
 *
 * @throws {OmertaError} `usage` where nothing comes.
 */
export async function readPasted({ terminal, out, signal }: Asking): Promise<string> {
  if (terminal.stdinIsTerminal) out.note("Paste the invite, then Enter and Ctrl-D.");
  const text = await terminal.readInput(INVITE_BYTES_MAX, signal);
  if (text.trim() !== "") return text;
  throw new OmertaError("usage", "No invite came on stdin", {
    hint: "Paste it after the command, or write '< FILE' behind it.",
  });
}
