/**
 * The node's local API: one route, `POST /v1/NOUN/VERB`, over a table of methods.
 *
 *     body ≤ 1 MiB ──▶ JSON ──▶ schema of the method ──▶ run(input, context)
 *                                       NDJSON ◀── progress* item* (result | error)
 *
 * Each answer is a stream that begins at once, so that its reader sees progress and the method
 * sees its reader leave. Refusals before a method runs have an HTTP status of their own; what the
 * method itself says comes in the last line, under status 200. Who may call is decided by the
 * socket's mode, not here.
 *
 * @module
 */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as v from "valibot";
import { OmertaError } from "../base/errors.ts";
import { answerStream, type CallContext } from "./answer.ts";
import { errorDoc } from "./error_doc.ts";
import type { ApiMethods, MethodName } from "./nouns/mod.ts";

export type { CallContext } from "./answer.ts";

/** Largest body of a call. Guess: an exported authority with its books is some 100 KiB. */
export const BODY_BYTES_MAX = 1 << 20;

/** Most calls at once, forwards and followed events included. Guess. */
const CALLS_MAX = 256;

/** One method: what it takes, and what it does. */
export interface ApiMethod<Input = unknown, Result = unknown, Item = unknown> {
  /** Strict: unknown fields are refused. */
  readonly input: v.GenericSchema<unknown, Input>;
  /** False: it asks about the node, and is no use of it that would keep it from ending. */
  readonly isUse?: boolean;
  /** Stops when `context.signal` is aborted: nobody reads its answer any more. */
  run(input: Input, context: CallContext<Item>): Promise<Result>;
}

/** The methods that a node serves. */
export type ApiTable = {
  readonly [M in MethodName]?: ApiMethod<
    ApiMethods[M]["input"],
    ApiMethods[M]["result"],
    ApiMethods[M]["item"]
  >;
};

/** What the API tells its node. */
export interface ApiOptions {
  /** A defect: a method threw something that is no `OmertaError`. */
  readonly onDefect?: (method: string, error: unknown) => void;
  /** The number of calls that run changed, not counting those that are no use of the node. */
  readonly onCalls?: (running: number) => void;
  /** Most calls at once; the next is `refused`. Default: 256. */
  readonly callsMax?: number;
}

/** The API of a node. */
export interface Api {
  /** Serves one request; hand it to `serveUnix`. */
  fetch(request: Request): Promise<Response>;
  /** Refuses new calls from now on: the node is about to end. */
  refuse(): void;
  /** Resolves when no call runs: at once where none does. */
  drained(): Promise<void>;
  /** Ends the calls that run: their signals are aborted with `reason`. */
  abort(reason: OmertaError): void;
}

/**
 * Makes the API of a table of methods. Refused before a method runs: 404 `unsupported`, 413 and 400
 * `usage`, 503 `refused` and `no-node`, each with the error as its one line.
 *
 * @example
 * ```ts
 * const api = createApi({ "node.info": { input: NOTHING, isUse: false, run: nodeInfo } });
 * const server = serveUnix("/run/omerta/node.sock", (request) => api.fetch(request));
 * // POST /v1/node/info {} ──▶ {"result":{"pid":4711,…}}
 * ```
 */
export function createApi(methods: ApiTable, options: ApiOptions = {}): Api {
  const table: Readonly<Record<string, ApiMethod | undefined>> = methods;
  const calls = new Calls(options);
  const app = new Hono();
  app.use(bodyLimit({ maxSize: BODY_BYTES_MAX, onError: () => refusal(413, tooLarge()) }));
  app.post("/v1/:noun/:verb", async (context) => {
    const name = `${context.req.param("noun")}.${context.req.param("verb")}`;
    const method = Object.hasOwn(table, name) ? table[name] : undefined;
    if (method === undefined) return refusal(404, unknownMethod(name));
    const input = parseInput(name, method.input, await context.req.text());
    const { isUse = true } = method;
    return calls.run({ name, isUse }, (call) => method.run(input, call));
  });
  app.notFound(() => refusal(404, unknownMethod("such")));
  app.onError((error) => refuseWith(error, options));
  return {
    fetch: async (request) => await app.fetch(request),
    refuse: () => calls.refuse(),
    drained: () => calls.drained(),
    abort: (reason) => calls.abort(reason),
  };
}

/** The calls that run: counted, bounded, and ended together. */
class Calls {
  readonly #running = new Set<AbortController>();
  #uses = 0;
  readonly #options: ApiOptions;
  readonly #drained: (() => void)[] = [];
  #refuses = false;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  refuse(): void {
    this.#refuses = true;
  }

  drained(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  abort(reason: OmertaError): void {
    for (const call of this.#running) call.abort(reason);
  }

  run(
    { name, isUse }: { readonly name: string; readonly isUse: boolean },
    work: (context: CallContext<unknown>) => Promise<unknown>,
  ): Response {
    if (this.#refuses) return refusal(503, ending());
    if (this.#running.size >= (this.#options.callsMax ?? CALLS_MAX)) return refusal(503, tooMany());
    const abort = new AbortController();
    this.#running.add(abort);
    if (isUse) this.#used(1);
    const body = answerStream(work, {
      abort,
      onDefect: (error) => this.#options.onDefect?.(name, error),
      onEnd: () => {
        this.#running.delete(abort);
        if (isUse) this.#used(-1);
        this.#ended();
      },
    });
    return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
  }

  #used(change: number): void {
    this.#uses += change;
    this.#options.onCalls?.(this.#uses);
  }

  #ended(): void {
    if (this.#running.size > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

function parseInput<T>(name: string, schema: v.GenericSchema<unknown, T>, body: string): T {
  const parsed = v.safeParse(schema, parseJson(name, body), { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const field = v.getDotPath(issue);
  const where = field === null ? "" : ` '${field}'`;
  throw new OmertaError("usage", `${name} was called with a bad input${where}: ${issue.message}`);
}

function parseJson(name: string, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new OmertaError("usage", `${name} was called with a body that is not JSON`, { cause });
  }
}

function refuseWith(error: Error, options: ApiOptions): Response {
  if (error instanceof OmertaError) return refusal(400, error);
  options.onDefect?.("", error);
  return refusal(500, error);
}

function refusal(status: number, error: unknown): Response {
  return new Response(`${JSON.stringify({ error: errorDoc(error) })}\n`, {
    status,
    headers: { "content-type": "application/x-ndjson" },
  });
}

function tooLarge(): OmertaError {
  return new OmertaError("usage", `The call is larger than ${BODY_BYTES_MAX} bytes`);
}

function unknownMethod(name: string): OmertaError {
  return new OmertaError("unsupported", `The node knows no method ${name}`, {
    hint: "It may be of another build: end it with 'omerta mesh stop' and repeat the command.",
  });
}

function tooMany(): OmertaError {
  return new OmertaError("refused", "The node has too many calls open", {
    hint: "End some of the commands that use it, then repeat this one.",
  });
}

function ending(): OmertaError {
  return new OmertaError("no-node", "The node is about to end", {
    hint: "Repeat the command.",
    fields: { began: false },
  });
}
