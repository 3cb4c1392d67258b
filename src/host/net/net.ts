/**
 * The binding to `ffi/net`, the native library that owns the node's UDP port and moves its bytes.
 * Control datagrams and events come in batches through one parked `poll` call; datagrams go out in
 * one batch per microtask; everything else is a JSON command. No tunnel packet passes here.
 *
 * Records out: u32 length | u8 ttl | u8 local length | local | u8 path length | path | datagram.
 * Records in:  u32 length | u8 kind | (1: u8 path length, path, u8 local length, local, datagram;
 *              2: JSON event).
 *
 * `local` is our address at which a datagram came. What is sent on its path while it is being handled
 * answers it, so it leaves from there; for the rest the library knows.
 *
 * @module
 */
import { type ErrorCode, isErrorCode, OmertaError } from "../../base/mod.ts";
import type { GuestPlan } from "../../tunnel/mod.ts";

/** What happens in the native library. Fields are as the library gives them. */
export type NetEvent =
  /** Tunnel frames on the active path went unanswered; a ping on it now decides. */
  | { readonly type: "path-doubt"; readonly peer: string; readonly path: string }
  /** The active path is dead; tunnel frames go on `to` now, which was the standby. */
  | {
    readonly type: "path-dead";
    readonly peer: string;
    readonly path: string;
    readonly to: string;
  }
  /** The VM helper's end of the tunnel's socketpair is closed. */
  | { readonly type: "guest-gone"; readonly tunnel: number }
  /** A `tunnel.probe` or `tunnel.ping` is over. Times are milliseconds since it was asked for. */
  | {
    readonly type: "probe-done";
    readonly probe: string | number;
    readonly ok: boolean;
    readonly handshakeMs?: number | null;
    readonly bannerMs?: number | null;
    readonly rttMs?: number | null;
    readonly error?: string | null;
  }
  /** The first WireGuard handshake of a tunnel is done. */
  | { readonly type: "tunnel-up"; readonly tunnel: number }
  /** The number of a tunnel's open streams changed to `open`. */
  | { readonly type: "stream"; readonly tunnel: number; readonly open: number }
  /** The system refuses to send to `address`; told of an address at most once in 10 s. */
  | { readonly type: "send-failed"; readonly address: string; readonly message: string }
  /** A panic in the library ended what `where` names, and nothing else. */
  | {
    readonly type: "defect";
    readonly where: string;
    readonly message: string;
    readonly stack: string;
  }
  /** Receiving fails again and again; the socket goes on. */
  | { readonly type: "socket-error"; readonly message: string };

/** What {@linkcode openNet} needs. Callbacks run on the event loop, one at a time, in order. */
export interface NetOptions {
  /** The UDP port for IPv4 and IPv6; 0 for any. */
  readonly port: number;
  /** Where the library listens for {@linkcode splice}, at most 107 bytes; `null` for nowhere. */
  readonly streamSocket: string | null;
  /** The path of `libomerta_net.so`. */
  readonly library: string;
  /** A control datagram came on `path`; the bytes are the callee's own. */
  onDatagram(path: string, bytes: Uint8Array): void;
  /** Something happened in the library. */
  onEvent(event: NetEvent): void;
}

/** An open native network. */
export interface NetHost {
  /** The UDP port, the same in both families. */
  readonly port: number;
  /** Queues a control datagram of at most 1992 bytes; it leaves at the end of this microtask. */
  send(path: string, bytes: Uint8Array, ttl?: number): void;
  /**
   * Says that something authentic came on `path`: alone that counts as its life, not what arrives, and
   * changes from which of our addresses we answer there.
   */
  heard(path: string): void;
  /** Runs an operation. Throws an `OmertaError` with the library's code when it fails. */
  command(op: string, args?: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /**
   * Opens a tunnel into a guest; resolves when the VM's helper has taken its end.
   *
   * @throws {OmertaError} `vm-failed` where it does not, or the node ends or the tunnel is closed before.
   */
  attach(plan: GuestPlan): Promise<void>;
  /** Ends every stream and tunnel, frees the port; resolves when no native thread is left. */
  close(): Promise<void>;
}

/** How an attachment ended. */
interface Attached {
  readonly type: "guest-attached";
  readonly tunnel: number;
  readonly ok: boolean;
  readonly code?: string;
  readonly message?: string;
}

/** Where a ticket of `ticket.add` is to be redeemed. */
export interface SpliceOptions {
  /** The path of `libomerta_net.so`. */
  readonly library: string;
  /** The node's stream socket. */
  readonly socket: string;
  /** The one-use ticket: 64 hex digits. */
  readonly ticket: string;
}

/** Functions that park or wait: called by name, on a thread of the runtime. */
const WAITING = {
  omerta_net_poll: {
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  omerta_net_close: { parameters: ["i32"], result: "i32", nonblocking: true },
  omerta_net_splice: {
    parameters: ["buffer", "i32", "buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Functions that answer at once: only their addresses are looked up, and they are called by those.
 * Called by name, each is tied to an object that Deno's QuickJS engine collects while it is in use;
 * the next call aborts the process.
 */
const ADDRESSES = {
  omerta_net_open: { type: "pointer" },
  omerta_net_send: { type: "pointer" },
  omerta_net_command: { type: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

const OPEN = { parameters: ["buffer", "i32", "buffer", "i32"], result: "i32" } as const;
const SEND = { parameters: ["i32", "buffer", "i32"], result: "i32" } as const;
const COMMAND = { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" } as const;

/** The library, ready to be called. */
interface Library {
  readonly waiting: Deno.DynamicLibrary<typeof WAITING>["symbols"];
  readonly open: Deno.UnsafeFnPointer<typeof OPEN>;
  readonly send: Deno.UnsafeFnPointer<typeof SEND>;
  readonly command: Deno.UnsafeFnPointer<typeof COMMAND>;
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
const libraries = new Map<string, Library>();

/**
 * Opens the UDP port.
 *
 * @throws {OmertaError} `port-taken`, `native-damaged` when the library cannot be loaded, `internal`.
 */
export function openNet(options: NetOptions): NetHost {
  const library = loadLibrary(options.library);
  const config = encodeJson({ port: options.port, streamSocket: options.streamSocket });
  const out = new Uint8Array(4096);
  const handle = library.open.call(config, config.length, out, out.length);
  const answer = checked(decodeJson(out));
  return new NativeNet(library, handle, Number(answer["port"]), options);
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
  checked(decodeJson(out.subarray(0, written)));
}

/** A Go runtime cannot be unloaded, so each library is loaded once and stays. */
function loadLibrary(file: string): Library {
  const known = libraries.get(file);
  if (known !== undefined) return known;
  try {
    const { symbols } = Deno.dlopen(file, { ...WAITING, ...ADDRESSES });
    const library: Library = {
      waiting: symbols,
      open: callable(symbols.omerta_net_open, OPEN),
      send: callable(symbols.omerta_net_send, SEND),
      command: callable(symbols.omerta_net_command, COMMAND),
    };
    libraries.set(file, library);
    return library;
  } catch (cause) {
    throw new OmertaError("native-damaged", `cannot load ${file}`, { cause });
  }
}

function callable<const F extends Deno.ForeignFunction>(
  pointer: Deno.PointerValue,
  definition: F,
): Deno.UnsafeFnPointer<F> {
  if (pointer === null) throw new TypeError("Cannot call the library: a function has no address");
  return new Deno.UnsafeFnPointer(pointer as Deno.PointerObject<F>, definition);
}

/** One record of a batch. */
interface Outgoing {
  readonly path: Uint8Array;
  readonly local: Uint8Array;
  readonly bytes: Uint8Array;
  readonly ttl: number;
}

class NativeNet implements NetHost {
  readonly port: number;
  readonly #library: Library;
  readonly #handle: number;
  readonly #options: NetOptions;
  readonly #polling: Promise<void>;
  #batch = new Uint8Array(4096);
  #batchBytes = 0;
  #answer = new Uint8Array(ANSWER_BYTES);
  #closed = false;
  readonly #attaching = new Map<number, PromiseWithResolvers<void>>();
  /** The datagram that is being handled. */
  #answering: { readonly path: string; readonly local: Uint8Array } | undefined;

  constructor(library: Library, handle: number, port: number, options: NetOptions) {
    this.#library = library;
    this.#handle = handle;
    this.port = port;
    this.#options = options;
    this.#polling = this.#poll();
  }

  send(path: string, bytes: Uint8Array, ttl = 0): void {
    if (this.#closed) return;
    if (this.#batchBytes === 0) queueMicrotask(() => this.#flush());
    const local = this.#answering?.path === path ? this.#answering.local : NOTHING;
    this.#append({ path: encoder.encode(path), local, bytes, ttl });
    if (this.#batchBytes > BATCH_BYTES) this.#flush();
  }

  heard(path: string): void {
    this.send(path, NOTHING); // with the next batch: an empty datagram is never sent
  }

  command(op: string, args: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const text = encodeJson({ ...args, op });
    let written = this.#command(text);
    if (written < 0) {
      this.#answer = new Uint8Array(-written);
      written = this.#command(text);
    }
    return checked(decodeJson(this.#answer.subarray(0, written)));
  }

  attach(plan: GuestPlan): Promise<void> {
    this.command("tunnel.open", { ...plan });
    const attaching = Promise.withResolvers<void>();
    this.#attaching.set(plan.tunnel, attaching);
    return attaching.promise;
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#flush();
      this.#closed = true;
      for (const { reject } of this.#attaching.values()) {
        reject(new OmertaError("vm-failed", "The node is ending"));
      }
      this.#attaching.clear();
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
      this.#deliver(buffer.subarray(0, read));
    }
  }

  #deliver(records: Uint8Array): void {
    const view = new DataView(records.buffer, records.byteOffset, records.length);
    for (let at = 0; at < records.length;) {
      const end = at + 4 + view.getUint32(at);
      this.#record(records.subarray(at + 4, end));
      at = end;
    }
  }

  #attached({ tunnel, ok, code, message }: Attached): void {
    const attaching = this.#attaching.get(tunnel);
    this.#attaching.delete(tunnel);
    if (ok) attaching?.resolve();
    else attaching?.reject(failure({ code, message }));
  }

  #record(record: Uint8Array): void {
    if (record[0] === KIND_EVENT) {
      const event = decodeJson(record.subarray(1)) as unknown as NetEvent | Attached;
      if (event.type === "guest-attached") this.#attached(event);
      else this.#options.onEvent(event);
      return;
    }
    if (record[0] !== KIND_DATAGRAM) return;
    const localAt = 2 + (record[1] ?? 0);
    const start = localAt + 1 + (record[localAt] ?? 0);
    const path = decoder.decode(record.subarray(2, localAt));
    this.#answering = { path, local: record.slice(localAt + 1, start) };
    try {
      this.#options.onDatagram(path, record.slice(start));
    } finally {
      this.#answering = undefined;
    }
  }
}

/** The answer itself, or its failure as an error. */
function checked(answer: Record<string, unknown>): Record<string, unknown> {
  if (answer["ok"] === true) return answer;
  throw failure(answer);
}

function failure(answer: { readonly code?: unknown; readonly message?: unknown }): OmertaError {
  const code = String(answer.code);
  const known: ErrorCode = isErrorCode(code) ? code : "internal";
  return new OmertaError(known, String(answer.message));
}

function encodeJson(value: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value));
}

function decodeJson(bytes: Uint8Array): Record<string, unknown> {
  return JSON.parse(decoder.decode(bytes));
}
