/**
 * What a person can do about an error that brought no hint of its own. Whoever throws one knows
 * more, so this is the last resort; codes that nothing can be said about in general are left out.
 *
 * @module
 */
import type { ErrorDoc } from "../api/error_doc.ts";
import type { ErrorCode } from "../base/mod.ts";

const NEW_INVITE = "Ask whoever invited you for a new one: 'omerta network invite' makes it.";

const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  "bad-invite":
    "Copy the whole link; 'omerta join -' takes it from stdin, also over several lines.",
  "bad-ssh-key": "Name a file with one line as 'ssh-ed25519 AAAA…'.",
  "not-found": "See what there is: 'omerta list', 'omerta mesh peers', 'omerta network list'.",
  "ambiguous": "Write more of the id.",
  "no-network": "Join one with 'omerta join -', or make one with 'omerta network create NAME'.",
  "no-node": "Start one with 'omerta mesh run', or name another state with --state.",
  "unreachable": "See whether it runs and is online; 'omerta mesh status' shows this node's side.",
  "no-provider": "Start 'omerta provider' on hardware that is to lend; see 'omerta mesh peers'.",
  "no-relay": "See whether the relay runs and its UDP port is open to this machine.",
  "not-allowed": "Ask the provider's owner, or whoever invited you for an invite with more grants.",
  "provider-full":
    "Ask for less, name another provider with --peer, or try again when VMs of yours are ready or released.",
  "not-owner": "Only the node that rented it may do that: name its state with --state.",
  "not-member": "Ask for a new invite, and join with it: omerta join -.",
  "invite-expired": NEW_INVITE,
  "invite-used-up": NEW_INVITE,
  "invite-revoked": NEW_INVITE,
  "invite-unknown": NEW_INVITE,
  "invite-unreachable": "Make it on a relay, or name this node's public address with --advertise.",
  "timeout": "Try again; 'omerta mesh status' shows how this node is connected.",
  "lease-ended": "Rent another with 'omerta request'.",
  "port-taken": "Choose another port, or see who has it: ss -lunp (UDP), ss -ltnp (TCP).",
  "node-running": "Use that one, end it with 'omerta mesh stop', or name another --state.",
  "node-busy": "Wait until its streams have ended, or end it with 'omerta mesh stop'.",
  "exists": "Choose another name.",
  "state-damaged": "Bring it back from a copy, or begin anew with another --state.",
  "native-damaged": "Install omerta anew; from source: scripts/build.",
  "vm-failed": "Try again, or another provider with --peer; the provider's log may say more.",
  "qemu-missing": "Install it on the provider; on Debian: apt install qemu-system-x86.",
  "ssh-missing": "Install it; on Debian: apt install openssh-client.",
  "disk-full": "Free some space there, or choose another state directory with --state.",
};

/**
 * The hint to show beside a failure: its own, else the usual one of its code; `null` where there is nothing
 * to say. A peer's words stand alone: a hint of ours would vouch for them.
 */
export function hintOf(error: ErrorDoc): string | null {
  if (error.hint !== null || "said_by" in error) return error.hint;
  return Object.hasOwn(HINTS, error.code) ? HINTS[error.code as ErrorCode] ?? null : null;
}
