/**
 * This node's ends of tunnels to guests, as commands to the native library: opened, probed until ssh
 * answers, and joined to streams by tickets and forwards.
 *
 * @module
 */
import { OmertaError } from "../../base/mod.ts";
import type { NetArgs } from "../../host/net/commands.ts";
import type { NetEvent, NetHost } from "../../host/net/net.ts";
import type { DevicePlan } from "../../tunnel/mod.ts";

/** The guest's sshd. */
export const SSH_PORT = 22;
/** A ticket is good for so long. Source: the proxy connects at once; guess. */
export const TICKET_MS = 30_000;

/** What a probe measured, in milliseconds since it was asked for. */
export interface ProbeResult {
  readonly handshakeMs: number | null;
  readonly bannerMs: number | null;
}

/** The native library's word about a probe. */
export type ProbeDone = Extract<NetEvent, { type: "probe-done" }>;

/** All tunnels that lead from here to guests. */
export class Tunnels {
  readonly #net: NetHost;
  readonly #open = new Set<number>();
  readonly #probes = new Map<string, (done: ProbeDone) => void>();
  #nextProbe = 1;

  constructor(net: NetHost) {
    this.#net = net;
  }

  isOpen(local: number): boolean {
    return this.#open.has(local);
  }

  /** Opens the tunnel unless it is open. */
  open(plan: DevicePlan): void {
    if (this.#open.has(plan.tunnel)) return;
    this.#net.command("tunnel.open", plan);
    this.#open.add(plan.tunnel);
  }

  /** Closes the tunnel and every stream in it. */
  close(local: number): void {
    if (this.#open.delete(local)) this.#net.command("tunnel.close", { tunnel: local });
  }

  /** Waits until the guest's ssh greets, or `signal` is aborted. */
  async probeSsh(local: number, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
    const args = { tunnel: local, port: SSH_PORT, prefix: "SSH-", timeoutMs };
    const done = await this.#probe(args, signal);
    if (!done.ok) {
      throw new OmertaError("vm-failed", "The VM's ssh did not answer through the tunnel", {
        hint: "Release it and request another; the provider's log says what the guest did.",
        cause: done.error,
      });
    }
    return { handshakeMs: done.handshakeMs ?? null, bannerMs: done.bannerMs ?? null };
  }

  /** A one-use ticket for a stream to `port` of the guest. */
  ticket(local: number, port: number, ticket: string): void {
    this.#net.command("ticket.add", { tunnel: local, port, ticket, ttlMs: TICKET_MS });
  }

  /** Listens natively on `bind` and joins what connects to `port` of the guest. */
  listen(forward: string, local: number, { bind, port }: { bind: string; port: number }): string {
    return this.#net.command("forward.listen", { forward, tunnel: local, bind, port }).address;
  }

  unlisten(forward: string): void {
    this.#net.command("forward.close", { forward });
  }

  /** Takes the native library's word about a probe. */
  onProbeDone(done: ProbeDone): void {
    this.#probes.get(done.probe)?.(done);
  }

  #probe(
    args: Omit<NetArgs["tunnel.probe"], "probe">,
    signal: AbortSignal,
  ): Promise<ProbeDone> {
    const probe = `probe-${this.#nextProbe++}`;
    const { promise, resolve, reject } = Promise.withResolvers<ProbeDone>();
    const onAbort = () => reject(signal.reason);
    this.#probes.set(probe, resolve);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    else this.#net.command("tunnel.probe", { ...args, probe });
    return promise.finally(() => {
      this.#probes.delete(probe);
      signal.removeEventListener("abort", onAbort);
    });
  }
}
