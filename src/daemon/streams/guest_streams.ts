/**
 * Ways for streams into open tunnels: tickets for one connection, and listeners on this machine.
 *
 * ```text
 *   a command ──ticket──▶ the node's stream socket ──▶ ┐
 *   any program ──▶ a listener, while it is held ────▶ ┴──▶ tunnel ──▶ a port of the guest
 * ```
 *
 * @module
 */
import { type Random, randomUint32, toHex } from "../../base/mod.ts";
import type { Tunnels } from "./tunnels.ts";

/** A port of a guest, and where to listen for it: `IP:PORT` or `[V6]:PORT`, port 0 for any. */
export interface Forward {
  readonly bind: string;
  readonly port: number;
}

/** Hands out ways into tunnels that are open. */
export class GuestStreams {
  readonly #tunnels: Tunnels;
  readonly #random: Random;

  constructor(tunnels: Tunnels, random: Random) {
    this.#tunnels = tunnels;
    this.#random = random;
  }

  /** A ticket that is good for one stream to `port` behind the tunnel, for `TICKET_MS`. */
  ticket(tunnel: number, port: number): string {
    const ticket = toHex(this.#random.bytes(32));
    this.#tunnels.ticket(tunnel, port, ticket);
    return ticket;
  }

  /**
   * Listens for each forward until `signal` is aborted; then nothing of it is left. `isOpen` gets the
   * address at which one listens, in their order.
   *
   * @throws {OmertaError} where one cannot listen: then none does.
   */
  async forward(
    tunnel: number,
    forwards: readonly Forward[],
    { signal, isOpen }: {
      readonly signal: AbortSignal;
      isOpen(forward: Forward, local: string): void;
    },
  ): Promise<void> {
    const open: string[] = [];
    try {
      for (const forward of forwards) {
        const name = `forward-${randomUint32(this.#random).toString(16)}`;
        const local = this.#tunnels.listen(name, tunnel, forward);
        open.push(name);
        isOpen(forward, local);
      }
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
        if (signal.aborted) resolve();
      });
    } finally {
      for (const name of open) this.#tunnels.unlisten(name);
    }
  }
}
