/**
 * Why a call, or a session, came to nothing: in sentences, with what to do about it.
 *
 * @module
 */
import { OmertaError, type PeerKey, splitPeerKey } from "../../base/mod.ts";
import {
  BODY_BYTES_MAX,
  type CallName,
  type ConnectFailure,
  PEER_CODES,
  type Refusal,
} from "../../node/mod.ts";

/** No call carries that: who asked is told at once, and does not wait for what cannot come. */
export function tooLong(name: string, bytes: number): RangeError {
  return new RangeError(`Cannot answer ${name} with ${bytes} bytes: a call has ${BODY_BYTES_MAX}`);
}

/** Why a session did not come to be. */
export function connectError(
  { reason, detail }: { readonly reason: ConnectFailure; readonly detail: string | null },
): OmertaError {
  switch (reason) {
    case "timeout":
      return new OmertaError("unreachable", "Nobody answers there");
    case "unwanted":
      return new OmertaError("unreachable", "Nothing is sent to the peer's address", {
        hint:
          "A record names it, and it is of a network that is not ours, or OMERTA_DIRECT=never " +
          "is set and no relay leads to the peer.",
      });
    case "wrong-peer":
      return new OmertaError("unreachable", "Another node than the expected one answers there");
    case "unverified":
    case "bad-identity":
      return noMember("The peer's membership does not hold", detail);
    case "refused":
      return noMember("The peer does not accept our membership", detail);
    case "busy":
    case "closed":
      return new OmertaError("unreachable", `No session with the peer: ${reason}`);
  }
}

/** That a membership does not count; where time is the reason, a clock is the likelier cause. */
function noMember(what: string, detail: string | null): OmertaError {
  const isOfTime = detail === "not-yet-valid" || detail === "expired";
  const why = detail === null ? "" : ` (${detail})`;
  const hint = "Is this machine's clock right? See what 'date -u' says here and at the peer.";
  const fields = { detail };
  return new OmertaError("not-member", `${what}${why}`, isOfTime ? { hint, fields } : { fields });
}

/** What the peer of a call is, as far as the call tells. */
export function roleIn(name: CallName): string {
  if (name === "vm.event") return "renter";
  if (name.startsWith("vm.")) return "provider";
  return /^(relay|record)\./.test(name) && name !== "relay.offer" ? "relay" : "peer";
}

/**
 * A peer's refusal: its words as its own, and `said_by` in the fields, so that nobody adds a hint of
 * ours to them.
 */
export function refusedBy(
  peer: PeerKey,
  who: string,
  { code: said, message, retryMs }: Refusal,
): OmertaError {
  const code = PEER_CODES.find((known) => known === said) ?? "refused";
  const retry = retryMs === undefined ? {} : { retryMs };
  const fields = { said_by: splitPeerKey(peer).node, ...retry };
  // That a peer does not serve a call says nothing of this machine.
  const isUnserved = code === "unsupported";
  return new OmertaError(isUnserved ? "refused" : code, `${who} says: ${message}`, {
    fields: isUnserved ? { ...fields, reason: "unserved" } : fields,
  });
}

/** That a peer answered nonsense. */
export function malformedAnswer(who: string, name: CallName): OmertaError {
  return new OmertaError("refused", `The ${who} gave a malformed answer to ${name}`);
}

/** That nobody answered: in time, at all, or because too many calls are under way. */
export function noAnswer(who: string, name: CallName, reason: string): OmertaError {
  return new OmertaError("unreachable", `The ${who} did not answer ${name}: ${reason}`, {
    hint: "See 'omerta mesh peers' for who is connected.",
    fields: { reason },
  });
}

/** Why a dial of a part came to nothing. */
export function dialError(
  { reason, detail }: { readonly reason: string; readonly detail: string | null },
): OmertaError {
  if (isConnectFailure(reason)) return connectError({ reason, detail });
  if (reason === "no-network") return new OmertaError(reason, "That network is not joined");
  return new OmertaError("unreachable", "No address is known by that name");
}

const CONNECT_FAILURES: Readonly<Record<ConnectFailure, true>> = {
  "timeout": true,
  "wrong-peer": true,
  "bad-identity": true,
  "unverified": true,
  "refused": true,
  "busy": true,
  "closed": true,
  "unwanted": true,
};

function isConnectFailure(reason: string): reason is ConnectFailure {
  return Object.hasOwn(CONNECT_FAILURES, reason);
}
