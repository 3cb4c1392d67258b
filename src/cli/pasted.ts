/**
 * An invite that comes in on stdin, mostly from somebody's hand.
 *
 * @module
 */
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

/** All of stdin; a person at a terminal is told what is awaited. */
export async function readPasted({ terminal, out, signal }: Asking): Promise<string> {
  if (terminal.stdinIsTerminal) out.note("Paste the invite, then Enter and Ctrl-D.");
  return await terminal.readInput(INVITE_BYTES_MAX, signal);
}
