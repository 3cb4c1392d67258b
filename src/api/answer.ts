/**
 * The answer to one call: JSON Lines, the last of which is the result or the error.
 *
 *     running ──method returns──▶ ended
 *        └─reader leaves, or is sent away with a last error─▶ aborted ──method returns──▶ ended
 *
 * A reader that does not read holds at most `UNREAD_BYTES_MAX` here: progress is then dropped; an
 * item, which must not be lost, ends the call.
 *
 * @module
 */
import { OmertaError } from "../base/errors.ts";
import { errorDoc } from "./error_doc.ts";

/** Most bytes of an answer that wait for its reader. Guess: some thousand items. */
const UNREAD_BYTES_MAX = 1 << 20;

/** What a method may do besides returning. */
export interface CallContext<Item = unknown> {
  /** Aborted when nobody reads the answer any more, or when the node ends. */
  readonly signal: AbortSignal;
  /** Says what is being done, with further fields beside `text`; dropped where the reader is slow. */
  progress(text: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Emits an item of a streaming method; where the reader is too slow, the call ends as `refused`. */
  item(item: Item): void;
}

/** How a call is tied to its node. */
export interface AnswerOptions {
  /** Aborted here when the reader leaves; by the node with an `OmertaError`, which the reader is told. */
  readonly abort: AbortController;
  /** The method threw something that is no `OmertaError`. */
  readonly onDefect: (error: unknown) => void;
  /** The method returned, also where nobody reads its answer. */
  readonly onEnd: () => void;
}

/**
 * Runs `work` and streams what it says: a line of JSON each, the last one `{"result":…}` or `{"error":…}`.
 * Never errors: what `work` throws is the last line.
 *
 * @example
 * ```ts
 * const work = async ({ progress }) => { progress("asking"); return { sent: 1 }; };
 * new Response(answerStream(work, { abort, onDefect, onEnd }));
 * // {"progress":{"text":"asking"}}
 * // {"result":{"sent":1}}
 * ```
 */
export function answerStream(
  work: (context: CallContext<unknown>) => Promise<unknown>,
  { abort, onDefect, onEnd }: AnswerOptions,
): ReadableStream<Uint8Array> {
  const start = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const lines = new LineWriter(controller, abort);
    run(work, lines, abort.signal).catch((thrown) => {
      if (abort.signal.aborted) return; // told to stop, it did: the reader knows
      if (!(thrown instanceof OmertaError)) onDefect(thrown);
      lines.write({ error: errorDoc(thrown) });
    }).finally(() => {
      lines.close();
      onEnd();
    });
  };
  const cancel = () => abort.abort(new DOMException("Nobody reads the answer", "AbortError"));
  return new ReadableStream({ start, cancel }, {
    highWaterMark: UNREAD_BYTES_MAX,
    size: (line) => line.length,
  });
}

async function run(
  work: (context: CallContext<unknown>) => Promise<unknown>,
  lines: LineWriter,
  signal: AbortSignal,
): Promise<void> {
  const result = await work({
    signal,
    progress: (text, fields = {}) => lines.writeIfRoom({ progress: { ...fields, text } }),
    item: (item) => lines.writeOrAbort({ item }),
  });
  lines.write({ result: result ?? null });
}

/** Writes JSON Lines to a stream until it is closed or its reader has left. */
class LineWriter {
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  readonly #abort: AbortController;
  readonly #encoder = new TextEncoder();
  #isOpen = true;

  constructor(
    controller: ReadableStreamDefaultController<Uint8Array>,
    abort: AbortController,
  ) {
    this.#controller = controller;
    this.#abort = abort;
    abort.signal.addEventListener("abort", () => this.#aborted(), { once: true });
  }

  write(message: unknown): void {
    if (!this.#isOpen) return;
    this.#controller.enqueue(this.#encoder.encode(`${JSON.stringify(message)}\n`));
  }

  writeIfRoom(message: unknown): void {
    if (this.#hasRoom()) this.write(message);
  }

  writeOrAbort(message: unknown): void {
    if (this.#isOpen && !this.#hasRoom()) {
      this.#abort.abort(new OmertaError("refused", "The reader of the answer is too slow"));
    }
    this.write(message);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#controller.close();
  }

  #hasRoom(): boolean {
    return this.#isOpen && (this.#controller.desiredSize ?? 0) > 0;
  }

  /** A reader that left hears nothing; one that is sent away hears why, at once. */
  #aborted(): void {
    const { reason } = this.#abort.signal;
    if (!(reason instanceof OmertaError)) {
      this.#isOpen = false;
      return;
    }
    this.write({ error: errorDoc(reason) });
    this.close();
  }
}
