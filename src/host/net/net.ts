/**
 * The native network of a node: `ffi/net` owns the UDP port and moves its bytes, and here it is told
 * what goes where. No tunnel packet passes.
 *
 * ```text
 *   NetHost ── commands.ts: what it can be told, answers parsed ──▶ port.ts ── library.ts ──▶ ffi/net
 *           ◀─ events.ts: what it tells, parsed ─────────────────── (batches)   (FFI, JSON)
 * ```
 *
 * @module
 */
import { OmertaError, type Path } from "../../base/mod.ts";
import type { GuestPlan } from "../../tunnel/mod.ts";
import { type NetAnswer, type NetArgs, type NetOp, parseNetAnswer } from "./commands.ts";
import { type GuestAttached, type NetEvent, parseNetEvent } from "./events.ts";
import type { Fields } from "./fields.ts";
import { NativePort, type PortOptions } from "./port.ts";

export type { NetEvent } from "./events.ts";

/** What {@linkcode openNet} needs. Callbacks run on the event loop, one at a time, in order. */
export interface NetOptions extends Omit<PortOptions, "onTold" | "onMalformed"> {
  /** Something happened in the library. */
  onEvent(event: NetEvent): void;
}

/** An open native network. */
export interface NetHost {
  /** The UDP port, the same in both families. */
  readonly port: number;
  /** Queues a control datagram of at most 1992 bytes; it leaves at the end of this microtask. */
  send(path: Path, bytes: Uint8Array, ttl?: number): void;
  /**
   * Says that something authentic came on `path`: alone that counts as its life, not what arrives, and
   * changes from which of our addresses we answer there.
   */
  heard(path: Path): void;
  /**
   * Runs an operation.
   *
   * @throws {OmertaError} with the library's code where it fails; `native-damaged` where its answer is
   * malformed.
   */
  command<Op extends NetOp>(op: Op, args: NetArgs[Op]): NetAnswer<Op>;
  /**
   * Opens a tunnel into a guest; resolves when the VM's helper has taken its end.
   *
   * @throws {OmertaError} `vm-failed` where it does not, or the node ends or the tunnel is closed before.
   */
  attach(plan: GuestPlan): Promise<void>;
  /** Ends every stream and tunnel, frees the port; resolves when no native thread is left. */
  close(): Promise<void>;
}

/**
 * Opens the UDP port.
 *
 * @throws {OmertaError} `port-taken`, `native-damaged` when the library cannot be loaded, `internal`.
 */
export function openNet(options: NetOptions): NetHost {
  return new NativeNet(options);
}

class NativeNet implements NetHost {
  readonly #port: NativePort;
  readonly #onEvent: (event: NetEvent) => void;
  readonly #attaching = new Map<number, PromiseWithResolvers<void>>();

  constructor({ onEvent, ...options }: NetOptions) {
    this.#onEvent = onEvent;
    this.#port = new NativePort({
      ...options,
      onDatagram: (path, bytes) => options.onDatagram(path, bytes),
      onTold: (told) => this.#told(told),
      onMalformed: ({ message }) =>
        onEvent({ type: "defect", where: "what it tells", message, stack: "" }),
    });
  }

  get port(): number {
    return this.#port.number;
  }

  send(path: Path, bytes: Uint8Array, ttl?: number): void {
    this.#port.send(path, bytes, ttl);
  }

  heard(path: Path): void {
    this.#port.heard(path);
  }

  command<Op extends NetOp>(op: Op, args: NetArgs[Op]): NetAnswer<Op> {
    return parseNetAnswer(op, this.#port.command(op, args));
  }

  attach(plan: GuestPlan): Promise<void> {
    this.command("tunnel.open", plan);
    const attaching = Promise.withResolvers<void>();
    this.#attaching.set(plan.tunnel, attaching);
    return attaching.promise;
  }

  async close(): Promise<void> {
    for (const { reject } of this.#attaching.values()) {
      reject(new OmertaError("vm-failed", "The node is ending"));
    }
    this.#attaching.clear();
    await this.#port.close();
  }

  #told(told: Fields): void {
    const event = parseNetEvent(told);
    if (event.type === "guest-attached") this.#attached(event);
    else this.#onEvent(event);
  }

  #attached({ tunnel, error }: GuestAttached): void {
    const attaching = this.#attaching.get(tunnel);
    this.#attaching.delete(tunnel);
    if (error === null) attaching?.resolve();
    else attaching?.reject(error);
  }
}
