/**
 * HTTP on a unix socket that only this user can open: mode 0700 (by umask 077) in a directory of
 * mode 0700.
 *
 * @module
 */
import { removeIfThere } from "../files.ts";
import { checkSocketPath } from "../state/state.ts";

/** A listening server. */
export interface UnixServer {
  /**
   * Closes the socket to newcomers at once, removes its file, and resolves when the requests that
   * had begun are answered.
   */
  close(): Promise<void>;
}

/**
 * Listens on `path`. A file of that name is removed first: the caller holds the state's lock, so
 * it is what a node that died left behind.
 *
 * @throws {OmertaError} `usage` where the path is too long.
 */
export function serveUnix(
  path: string,
  handler: (request: Request) => Response | Promise<Response>,
): UnixServer {
  checkSocketPath(path);
  removeIfThere(path);
  const umask = Deno.umask(0o077);
  try {
    const server = Deno.serve({ path, onListen: () => {} }, handler);
    return { close: () => server.shutdown() };
  } finally {
    Deno.umask(umask);
  }
}
