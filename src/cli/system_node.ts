/**
 * The node as it really is: the local API of the state directory, the daemon in this process, the
 * native splice. Everything is loaded when it is used, so that a command pays for nothing else.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";
import type { ApiMethods, MethodName } from "../api/nouns/mod.ts";
import type { RunNodeOptions } from "../daemon/options.ts";
import type { Terminal } from "../host/terminal.ts";
import type { CallHooks, NodeAccess, Splice } from "./node_access.ts";

/** Pause between two looks whether a node has ended. Guess: small beside the start of a process. */
const LOOK_MS = 25;

/** The node of the state that `--state` and the environment name. */
export async function systemNode(terminal: Terminal, flag: string | null): Promise<NodeAccess> {
  const { env, uid } = terminal;
  const { resolveStateDir } = await import("../host/state/state.ts");
  return new SystemNode(resolveStateDir({ flag, env, uid }), terminal);
}

class SystemNode implements NodeAccess {
  readonly state: string;
  readonly #terminal: Terminal;

  constructor(state: string, terminal: Terminal) {
    this.state = state;
    this.#terminal = terminal;
  }

  async exists(): Promise<boolean> {
    const { hasState } = await import("../host/state/state.ts");
    return hasState(this.state);
  }

  async build(): Promise<string> {
    return (await import("../host/build.ts")).buildId();
  }

  async call<M extends MethodName>(
    method: M,
    input: ApiMethods[M]["input"],
    { start, signal, onProgress, onItem }: CallHooks<ApiMethods[M]["item"]> & { start: boolean },
  ): Promise<ApiMethods[M]["result"]> {
    const { callNode, callStartedNode } = await import("../api/client.ts");
    const options = {
      signal,
      onProgress: (progress: { text: string }) => onProgress?.(progress.text),
      ...(onItem && { onItem }),
    };
    if (start) {
      const program = { build: await this.build(), env: this.#terminal.env };
      return await callStartedNode(this.state, method, input, { ...options, ...program });
    }
    const { existingState, statePaths } = await import("../host/state/state.ts");
    const { socket } = existingState(this.state) ?? statePaths(this.state);
    return await callNode(socket, method, input, options);
  }

  async run(options: RunNodeOptions): Promise<void> {
    const { runNode } = await import("../daemon/mod.ts");
    try {
      await runNode(options);
    } catch (error) {
      if (options.mode === "background") await this.#reportEarlyEnd(error);
      throw error;
    }
  }

  /** Tells the command that started this node why it ended. */
  async #reportEarlyEnd(error: unknown): Promise<void> {
    const { errorDoc } = await import("../api/error_doc.ts");
    const { reportEarlyEnd } = await import("../host/process/early_end.ts");
    const { existingState } = await import("../host/state/state.ts");
    const paths = existingState(this.state);
    if (paths !== undefined && error instanceof OmertaError) reportEarlyEnd(paths, errorDoc(error));
  }

  async splice({ socket, ticket }: Splice): Promise<void> {
    const [{ splice }, { assetPath }] = await Promise.all([
      import("../host/net/splice.ts"),
      import("../host/assets.ts"),
    ]);
    await splice({ library: await assetPath("libomerta_net.so", this.state), socket, ticket });
  }

  async gone(ms: number): Promise<boolean> {
    const { statePaths } = await import("../host/state/state.ts");
    const { delay } = await import("../host/delay.ts");
    const { lock } = statePaths(this.state);
    const deadline = performance.now() + ms;
    while (isLocked(lock)) {
      if (performance.now() >= deadline) return false;
      await delay(LOOK_MS);
    }
    return true;
  }
}

/** Whether a process holds the lock: looked at by a shared one, given back at once. */
function isLocked(path: string): boolean {
  try {
    using file = Deno.openSync(path, { read: true });
    return !file.tryLockSync(false);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
