/**
 * One open port of the native library. Control datagrams and events come in batches through one parked
 * `poll` call; datagrams go out in one batch per microtask; everything else is a JSON command.
 *
 * ```text
 *   out: u32 length | u8 ttl | u8 local length | local | u8 path length | path | datagram
 *   in:  u32 length | u8 kind | 1: u8 path length, path, u8 local length, local, datagram
 *                             | 2: JSON event
 * ```
 *
 * `local` is our address at which a datagram came. What is sent on its path while it is being handled
 * answers it, so it leaves from there; for the rest the library knows.
 *
 * @module
 */
import { OmertaError, type Path } from "../../base/mod.ts";
import { asPath } from "../../wire/mod.ts";
import type { Fields } from "./fields.ts";
import { checked, decodeJson, encodeJson, type Library, loadLibrary } from "./library.ts";

/** What a port needs. Callbacks run on the event loop, one at a time, in order. */
export interface PortOptions {
  /** The UDP port for IPv4 and IPv6; 0 for any. */
  readonly port: number;
  /** Where the library listens for `splice`, at most 107 bytes; `null` for nowhere. */
  readonly streamSocket: string | null;
  /** The path of `libomerta_net.so`. */
  readonly library: string;
  /** A control datagram came on `path`; the bytes are the callee's own. */
  onDatagram(path: Path, bytes: Uint8Array): void;
  /** The library tells something. */
  onTold(event: Fields): void;
  /** What the library told is none of its forms; the rest of its batch may be lost. */
  onMalformed(error: OmertaError): void;
}

/** Room for the answer of a command; a longer one is asked for again with what it needs. */
const ANSWER_BYTES = 64 * 1024;
/** Room for one poll: some 200 handshakes. */
const POLL_BYTES = 256 * 1024;
/** How long a poll parks. Its end means nothing: guess. */
const POLL_MS = 60_000;
/** A batch that grows beyond this leaves before the microtask ends: guess. */
const BATCH_BYTES = 64 * 1024;
/** Length, ttl and the lengths of local address and path before each datagram of a batch. */
const RECORD_HEADER_BYTES = 7;

const KIND_DATAGRAM = 1;
const KIND_EVENT = 2;

const NOTHING = new Uint8Array();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One record of a batch. */
interface Outgoing {
  readonly path: Uint8Array;
  readonly local: Uint8Array;
  readonly bytes: Uint8Array;
  readonly ttl: number;
}

/** An open port. */
export class NativePort {
  /** The UDP port, the same in both families. */
  readonly number: number;
  readonly #library: Library;
  readonly #handle: number;
  readonly #options: PortOptions;
  readonly #polling: Promise<void>;
  #batch = new Uint8Array(4096);
  #batchBytes = 0;
  #answer = new Uint8Array(ANSWER_BYTES);
  #closed = false;
  /** The datagram that is being handled. */
  #answering: { readonly path: Path; readonly local: Uint8Array } | undefined;

  /** @throws {OmertaError} `port-taken`, `native-damaged`, `internal`. */
  constructor(options: PortOptions) {
    this.#library = loadLibrary(options.library);
    const config = encodeJson({ port: options.port, streamSocket: options.streamSocket });
    const out = new Uint8Array(4096);
    this.#handle = this.#library.open.call(config, config.length, out, out.length);
    this.number = checked(decodeJson(out, "answer to open")).count("port");
    this.#options = options;
    this.#polling = this.#poll();
  }

  /** Queues a control datagram of at most 1992 bytes; it leaves at the end of this microtask. */
  send(path: Path, bytes: Uint8Array, ttl = 0): void {
    if (this.#closed) return;
    if (this.#batchBytes === 0) queueMicrotask(() => this.#flush());
    const local = this.#answering?.path === path ? this.#answering.local : NOTHING;
    this.#append({ path: encoder.encode(path), local, bytes, ttl });
    if (this.#batchBytes > BATCH_BYTES) this.#flush();
  }

  /** Says that something authentic came on `path`. */
  heard(path: Path): void {
    this.send(path, NOTHING); // with the next batch: an empty datagram is never sent
  }

  /** Runs an operation. @throws {OmertaError} the library's code, or `native-damaged`. */
  command(op: string, args: object = {}): Fields {
    const text = encodeJson({ ...args, op });
    let written = this.#command(text);
    if (written < 0) {
      this.#answer = new Uint8Array(-written);
      written = this.#command(text);
    }
    return checked(decodeJson(this.#answer.subarray(0, written), `answer to ${op}`));
  }

  /** Ends everything and frees the port; resolves when no native thread is left. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#flush();
      this.#closed = true;
      await this.#library.waiting.omerta_net_close(this.#handle);
    }
    await this.#polling;
  }

  #command(text: Uint8Array<ArrayBuffer>): number {
    const answer = this.#answer;
    return this.#library.command.call(
      this.#handle,
      text,
      text.length,
      answer,
      answer.length,
    );
  }

  #append({ path, local, bytes, ttl }: Outgoing): void {
    const length = RECORD_HEADER_BYTES + local.length + path.length + bytes.length;
    this.#reserve(length);
    const record = this.#batch.subarray(this.#batchBytes, this.#batchBytes + length);
    new DataView(record.buffer, record.byteOffset).setUint32(0, length - 4);
    record[4] = ttl;
    record[5] = local.length;
    record.set(local, 6);
    record[6 + local.length] = path.length;
    record.set(path, 7 + local.length);
    record.set(bytes, length - bytes.length);
    this.#batchBytes += length;
  }

  #reserve(more: number): void {
    if (this.#batchBytes + more <= this.#batch.length) return;
    const larger = new Uint8Array(2 * (this.#batchBytes + more));
    larger.set(this.#batch.subarray(0, this.#batchBytes));
    this.#batch = larger;
  }

  #flush(): void {
    if (this.#batchBytes === 0 || this.#closed) return;
    const length = this.#batchBytes;
    this.#batchBytes = 0;
    this.#library.send.call(this.#handle, this.#batch, length);
  }

  async #poll(): Promise<void> {
    const buffer = new Uint8Array(POLL_BYTES);
    for (;;) {
      const read = await this.#library.waiting.omerta_net_poll(
        this.#handle,
        buffer,
        buffer.length,
        POLL_MS,
      );
      if (read < 0 || this.#closed) return;
      for (const record of recordsOf(buffer.subarray(0, read), this.#options.onMalformed)) {
        this.#record(record);
      }
    }
  }

  #record(record: Uint8Array): void {
    if (record[0] === KIND_DATAGRAM) return this.#datagram(record);
    if (record[0] !== KIND_EVENT) return;
    try {
      this.#options.onTold(decodeJson(record.subarray(1), "event"));
    } catch (error) {
      if (!(error instanceof OmertaError)) throw error;
      this.#options.onMalformed(error);
    }
  }

  #datagram(record: Uint8Array): void {
    const localAt = 2 + (record[1] ?? 0);
    const start = localAt + 1 + (record[localAt] ?? 0);
    const path = asPath(decoder.decode(record.subarray(2, localAt)));
    this.#answering = { path, local: record.slice(localAt + 1, start) };
    try {
      this.#options.onDatagram(path, record.slice(start));
    } finally {
      this.#answering = undefined;
    }
  }
}

/** The records of a batch, each without its length; what is cut off is told, and ends it. */
export function* recordsOf(
  batch: Uint8Array,
  onMalformed: (error: OmertaError) => void,
): Generator<Uint8Array> {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.length);
  for (let at = 0; at < batch.length;) {
    const end = at + 4 <= batch.length ? at + 4 + view.getUint32(at) : Infinity;
    if (end > batch.length) {
      const message = `The native library gave a batch that is cut off at ${at}`;
      return onMalformed(new OmertaError("native-damaged", message));
    }
    yield batch.subarray(at + 4, end);
    at = end;
  }
}
