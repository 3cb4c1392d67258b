/**
 * A call to the node of a state, over its unix socket.
 *
 *     POST /v1/NOUN/VERB, JSON ──▶ {"progress":…}* {"item":…}* then {"result":…} | {"error":…}
 *
 * Light on purpose, for every command starts here: no package is loaded. `src/api/client.ts` gives
 * it the types of the methods.
 *
 * @module
 */
import { isErrorCode, OmertaError } from "../../base/errors.ts";

/** What a method says on its way. */
export type Progress = Readonly<Record<string, unknown>> & { readonly text: string };

/** How to call. */
export interface CallOptions {
  /** Ends the call, and what the node does for it; its reason is thrown. */
  readonly signal?: AbortSignal;
  /** Gives up with `timeout` after so long; default: never. */
  readonly timeoutMs?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly onItem?: (item: unknown) => void;
}

/**
 * Calls `noun.verb` at the node that listens on `socketPath` and returns its result.
 *
 * @throws {OmertaError} what the node answered; `no-node` where none listens, or where it ended
 * before it answered: the field `began` tells whether the call may have had effects.
 */
export async function callMethod(
  socketPath: string,
  method: string,
  input: unknown,
  options: CallOptions = {},
): Promise<unknown> {
  const signal = callSignal(options);
  const client = Deno.createHttpClient({ proxy: { transport: "unix", path: socketPath } });
  try {
    const response = await post(client, { socketPath, method, input, signal });
    return await readAnswer(response, options);
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    if (signal.aborted) throw tooLate(method, options.timeoutMs);
    throw error;
  } finally {
    client.close();
  }
}

function callSignal({ signal, timeoutMs }: CallOptions): AbortSignal {
  const signals = signal === undefined ? [] : [signal];
  if (timeoutMs !== undefined) signals.push(AbortSignal.timeout(timeoutMs));
  return AbortSignal.any(signals);
}

function tooLate(method: string, timeoutMs = 0): OmertaError {
  return new OmertaError("timeout", `The node did not answer ${method} within ${timeoutMs} ms`, {
    hint: "See its log: node.log in the state directory, or where it runs in the foreground.",
  });
}

interface Post {
  readonly socketPath: string;
  readonly method: string;
  readonly input: unknown;
  readonly signal: AbortSignal;
}

async function post(
  client: Deno.HttpClient,
  { socketPath, method, input, signal }: Post,
): Promise<Response> {
  try {
    // A number, not a name: names are looked up even for a unix socket, and DNS may be far away.
    return await fetch(`http://127.0.0.1/v1/${method.replace(".", "/")}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(input),
      client,
      signal,
    });
  } catch (cause) {
    throw signal.aborted ? cause : nobodyAnswers(socketPath, cause);
  }
}

/** Nothing of an answer came, so that nothing was begun. */
function nobodyAnswers(socketPath: string, cause: unknown): OmertaError {
  const state = socketPath.slice(0, socketPath.lastIndexOf("/"));
  return new OmertaError("no-node", `No node runs on the state ${state}`, {
    cause,
    hint: "Start one with 'omerta mesh run', or name its state directory with --state DIR.",
    fields: { states: [state], began: false },
  });
}

function nodeEnded(cause?: unknown): OmertaError {
  return new OmertaError("no-node", "The node ended before it answered", {
    cause,
    hint:
      "See its log (node.log in the state directory, or where it runs in the foreground), then " +
      "repeat the command.",
    fields: { began: true },
  });
}

async function readAnswer(response: Response, options: CallOptions): Promise<unknown> {
  for await (const line of lines(response)) {
    const message = JSON.parse(line);
    if ("result" in message) return message.result;
    if ("error" in message) throw errorOf(message.error);
    if ("progress" in message) options.onProgress?.(message.progress);
    if ("item" in message) options.onItem?.(message.item);
  }
  throw nodeEnded();
}

async function* lines(response: Response): AsyncGenerator<string> {
  let rest = "";
  const pieces = response.body?.pipeThrough(new TextDecoderStream()) ?? [];
  try {
    for await (const piece of pieces) {
      const whole = (rest + piece).split("\n");
      rest = whole.pop() ?? "";
      yield* whole;
    }
  } catch (cause) {
    throw cause instanceof OmertaError ? cause : nodeEnded(cause);
  }
}

/** The error in an answer: of a code that this build knows, or a defect. */
export function errorOf(document: unknown): OmertaError {
  const { code, message, hint, exit: _, ...fields } = document as Record<string, unknown>;
  const known = typeof code === "string" && isErrorCode(code) ? code : "internal";
  return new OmertaError(known, String(message), {
    ...(typeof hint === "string" ? { hint } : {}),
    fields,
  });
}
