/**
 * What the native library tells of its own accord, brought to whom it concerns.
 *
 * @module
 */
import type { PeerKey } from "../../base/mod.ts";
import type { Log } from "../../host/log.ts";
import type { NetEvent } from "../../host/net/net.ts";
import type { NodeIn } from "../../node/mod.ts";
import type { KeptTunnels } from "../streams/kept_tunnels.ts";

/** To whom events go. */
export interface NetEventParts {
  readonly loop: { input(input: NodeIn): void };
  readonly tunnels: Pick<KeptTunnels, "onProbeDone">;
  /** What people call a tunnel of that native number; `null`: it is none of a VM's. */
  nameOf(tunnel: number): string | null;
  /** So many streams of it are open: while one is, the node stays. */
  hold(name: string, open: number): void;
  defect(error: string, where: string): void;
  readonly log: Log;
}

/** The one who takes the library's events. */
export function netEvents(parts: NetEventParts): (event: NetEvent) => void {
  const { loop, tunnels, log } = parts;
  return (event) => {
    switch (event.type) {
      case "path-dead":
      case "path-doubt":
        return loop.input({ type: event.type, peer: event.peer as PeerKey, path: event.path });
      case "probe-done":
        return tunnels.onProbeDone(event);
      case "stream":
        return parts.hold(parts.nameOf(event.tunnel) ?? `tunnel ${event.tunnel}`, event.open);
      case "socket-error":
        return log.error("the UDP socket fails", { error: event.message });
      case "send-failed":
        return log.debug("the system does not send", {
          address: event.address,
          error: event.message,
        });
      case "defect":
        return parts.defect(`${event.message}\n${event.stack}`, `in native code: ${event.where}`);
      case "guest-gone":
      case "tunnel-up":
        return log.debug(event.type, { tunnel: event.tunnel });
    }
  };
}
