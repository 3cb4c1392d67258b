/**
 * Joins this process's terminal to a stream in the tunnel of a node: no node of our own, no port.
 *
 * @module
 */
import { checked, decodeJson, encodeJson, loadLibrary } from "./library.ts";

/** Where a ticket of `ticket.add` is to be redeemed. */
export interface SpliceOptions {
  /** The path of `libomerta_net.so`. */
  readonly library: string;
  /** The node's stream socket. */
  readonly socket: string;
  /** The one-use ticket: 64 hex digits. */
  readonly ticket: string;
}

/**
 * Copies this process's stdin and stdout to and from the stream that a ticket stands for, with
 * half-close both ways; resolves when both directions are over.
 *
 * @throws {OmertaError} with the code that the node answered, or `no-node` where nothing listens.
 */
export async function splice({ library, socket, ticket }: SpliceOptions): Promise<void> {
  const native = loadLibrary(library);
  const request = encodeJson({ socket, ticket, stdin: 0, stdout: 1 });
  const out = new Uint8Array(4096);
  const written = await native.waiting.omerta_net_splice(request, request.length, out, out.length);
  if (request.length === 0) return; // never: what the call reads must live until it is over
  checked(decodeJson(out.subarray(0, written), "answer to splice"));
}
