/**
 * Why a peer was not reached, in sentences, with what to do about it.
 *
 * @module
 */
import { type NetworkId, OmertaError, type PeerKey, splitPeerKey } from "../../base/mod.ts";
import type { Failure, Unreached } from "../../reach/mod.ts";
import { dialError, malformedAnswer, noAnswer, refusedBy } from "./call_errors.ts";

/** How peers and networks are called. */
export interface Naming {
  /** `alias (id)` or a short id. */
  nameOf(peer: PeerKey): string;
  networkName(network: NetworkId): string;
}

/** That no relay of a network answers. */
export function noRelay(network: string): OmertaError {
  return new OmertaError("no-relay", `No relay of ${network} answers`, {
    hint: "Is the relay's host up, and has this machine a network, and the right time?",
  });
}

/** Why a peer was not reached. */
export function unreachedError(why: Unreached, naming: Naming): OmertaError {
  switch (why.reason) {
    case "no-network":
      return new OmertaError("no-network", "That network is not joined");
    case "late":
      return new OmertaError("unreachable", "The peer was not reached in time");
    case "busy":
      return new OmertaError("unreachable", "Too many peers are being reached now", {
        hint: "Ask again in a moment.",
      });
    case "no-relay":
      return noRelay(naming.networkName(splitPeerKey(why.peer).network));
    case "offline":
      return absent(why, "is offline: no relay knows where it is", naming);
    case "silent":
      return absent(why, "does not answer", naming);
    case "failed":
      return failureError(why.failure, naming);
  }
}

function absent(
  { peer, alias, first }: Extract<Unreached, { reason: "offline" | "silent" }>,
  what: string,
  naming: Naming,
): OmertaError {
  const short = splitPeerKey(peer).node.slice(0, 8);
  const name = alias === null ? short : `${alias} (${short})`;
  return new OmertaError("unreachable", `The peer ${name} ${what}`, {
    hint: "Does its node run, and reach a relay? See 'omerta mesh peers' for when it was seen.",
    ...first !== null && { cause: failureError(first, naming) },
  });
}

function failureError(failure: Failure, naming: Naming): OmertaError {
  switch (failure.type) {
    case "refused": {
      const { relay, refused } = failure;
      return refusedBy(relay, `relay ${naming.nameOf(relay)}`, refused);
    }
    case "unanswered": {
      const who = `relay ${naming.nameOf(failure.relay)}`;
      return failure.failed === "malformed"
        ? malformedAnswer(who, "relay.allocate")
        : noAnswer(who, "relay.allocate", failure.failed);
    }
    case "relay-gone":
      return new OmertaError("unreachable", "The relay went away");
    case "dial-failed":
      return dialError(failure);
  }
}
