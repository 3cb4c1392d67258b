/**
 * Does on the native data path what this node says as a relay, and tells it how its sessions are used.
 *
 * @module
 */
import type { NetHost } from "../../host/net/net.ts";
import type { Log } from "../../host/log.ts";
import type { Loop, LoopEvent } from "./loop.ts";

/** On what the driver stands. */
interface RelayDriverParts {
  readonly loop: Pick<Loop, "listen" | "input">;
  readonly net: Pick<NetHost, "command">;
  readonly log: Log;
}

/** Drives the data path of a relay from now on; a node that is none says nothing. */
export function driveRelay(parts: RelayDriverParts): void {
  parts.loop.listen((event) => perform(parts, event));
}

function perform({ loop, net, log }: RelayDriverParts, event: LoopEvent): void {
  switch (event.type) {
    case "relay-limits": {
      const { sessions, bytesPerS, sessionBytesPerS } = event.limits;
      return net.command("relay.limits", {
        sessions,
        bytesPerSecond: bytesPerS,
        sessionBytesPerSecond: sessionBytesPerS,
      });
    }
    case "relay-set":
      return net.command("relay.set", { session: event.session, a: event.a, b: event.b });
    case "relay-remove":
      try {
        return net.command("relay.remove", { session: event.session });
      } catch (error) {
        return log.debug("a relay session was gone already", { error: String(error) });
      }
    case "relay-usage":
      return loop.input({ type: "relay-used", sessions: net.command("relay.stats", {}).sessions });
    default:
  }
}
