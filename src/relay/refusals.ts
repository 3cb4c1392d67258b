/**
 * What a relay tells a member to whom it gives no session.
 *
 * @module
 */
import {
  type Answered,
  type PeerKey,
  type Refused,
  splitPeerKey,
  unreachable,
} from "../base/mod.ts";
import type { RelayRefusal } from "./book.ts";
import type { OfferCalls } from "./calls.ts";

/** This node is no relay. */
export const UNSERVED: Refused = {
  code: "unsupported",
  message: 'The peer does not serve "relay.allocate"',
};

/** It joins as many as it can at one time: ask again, no sooner than `retryMs`. */
export function putOff(retryMs: number): Refused {
  const message = "The relay joins too many members at this moment";
  return { code: "refused", message, retryMs };
}

/** Nobody knows where the peer is. */
export function unregistered(peer: PeerKey): Refused {
  const message = `The peer ${shortOf(peer)} is not registered at this relay`;
  return { code: "unreachable", message };
}

/** Its book has no place for the session. */
export function refusalOf(reason: RelayRefusal): Refused {
  switch (reason) {
    case "same-peer":
    case "other-network":
      return { code: "refused", message: "The relay joins two members of one network only" };
    case "same-address": // whoever has two names there, or came where the other one was
      return { code: "refused", message: "The relay joins members at two addresses only" };
    case "member-limit":
      return { code: "refused", message: "A member has too many sessions at this relay" };
    case "relay-full":
      return { code: "refused", message: "The relay has no room for another session" };
    default:
      return unreachable(reason);
  }
}

/** Why the other side did not take an offer, in its own words where it said something. */
export function untaken(
  peer: PeerKey,
  result: Exclude<Answered<OfferCalls>["result"], { readonly ok: true }>,
): Refused {
  const who = `peer ${shortOf(peer)}`;
  if ("refused" in result) {
    const { refused } = result;
    const code = refused.code === "unsupported" ? "refused" : refused.code; // it is the relay that serves
    return { ...refused, code, message: `${who} says: ${refused.message}` };
  }
  if (result.failed === "malformed") {
    return { code: "refused", message: `The ${who} gave a malformed answer to relay.offer` };
  }
  return {
    code: "unreachable",
    message: `The ${who} did not answer relay.offer: ${result.failed}`,
  };
}

function shortOf(peer: PeerKey): string {
  return splitPeerKey(peer).node.slice(0, 8);
}
