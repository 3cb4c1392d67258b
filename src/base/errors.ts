/**
 * The closed list of errors that a person can meet: code, exit status, one line about it. The
 * command line prints it as `omerta help errors`; codes are stable, for scripts.
 *
 * @example
 * ```ts
 * throw new OmertaError("unreachable", "The relay does not answer", {
 *   hint: "Is its port open? See 'omerta mesh status'.",
 * });
 * ```
 *
 * @module
 */

/** Exit statuses by class. Source: the command line's contract. */
export const EXIT = {
  done: 0,
  defect: 1,
  usage: 2,
  notFound: 3,
  noNode: 4,
  unreachable: 5,
  refused: 6,
  tooLate: 7,
  conflict: 8,
  damaged: 9,
  missing: 10,
} as const;

type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Every error code with its exit status and meaning. */
export const ERRORS = {
  "internal": { exit: 1, about: "a defect of omerta; please report it" },
  "usage": { exit: 2, about: "unknown command or flag, or a value that cannot be meant" },
  "bad-invite": { exit: 2, about: "the invite is not a whole omerta://join/ link" },
  "bad-size": { exit: 2, about: "a size or number is out of range" },
  "bad-ssh-key": { exit: 2, about: "the ssh key file holds no public key that ssh would accept" },
  "not-found": { exit: 3, about: "no peer, VM, network or invite of that name" },
  "ambiguous": { exit: 3, about: "the name fits more than one" },
  "no-network": { exit: 3, about: "this state belongs to no network yet" },
  "no-node": { exit: 4, about: "no node runs on this state directory" },
  "unreachable": { exit: 5, about: "a peer, provider or relay did not answer" },
  "no-provider": { exit: 5, about: "no provider of the network is known or answers" },
  "no-relay": { exit: 5, about: "no relay of the network answers" },
  "refused": { exit: 6, about: "the other side refused" },
  "not-allowed": { exit: 6, about: "a grant or the provider's policy does not permit it" },
  "provider-full": { exit: 6, about: "the provider has no room for such a VM now" },
  "not-owner": { exit: 6, about: "the VM belongs to somebody else" },
  "not-member": { exit: 6, about: "the peer is not, or no longer, a member of the network" },
  "invite-expired": { exit: 6, about: "the invite's time is over" },
  "invite-used-up": { exit: 6, about: "the invite was redeemed as often as it allows" },
  "invite-revoked": { exit: 6, about: "the invite was revoked" },
  "invite-unknown": { exit: 6, about: "that node did not make the invite" },
  "invite-unreachable": { exit: 6, about: "nobody could reach an invite from this node" },
  "timeout": { exit: 7, about: "the time given was over; what had begun was undone" },
  "lease-ended": { exit: 7, about: "the VM's lease had ended" },
  "port-taken": { exit: 8, about: "another program uses the UDP or TCP port" },
  "node-running": { exit: 8, about: "another node runs on this state directory" },
  "node-busy": { exit: 8, about: "the background node has open streams and cannot give way" },
  "exists": { exit: 8, about: "something of that name exists" },
  "state-damaged": { exit: 9, about: "a file of the state directory cannot be read as what it is" },
  "key-mode": { exit: 9, about: "a key file may be read by others than its owner" },
  "image-corrupt": { exit: 9, about: "an image does not have the hash that it must have" },
  "native-damaged": { exit: 9, about: "the native library or helper cannot be loaded" },
  "vm-failed": { exit: 9, about: "the virtual machine could not be brought up" },
  "qemu-missing": { exit: 10, about: "QEMU is not installed" },
  "ssh-missing": { exit: 10, about: "OpenSSH's client is not installed" },
  "image-missing": { exit: 10, about: "the VM image is not there" },
  "disk-full": { exit: 10, about: "no space is left where the state lives" },
  "weak-isolation": { exit: 10, about: "this system confines QEMU worse than what is lent needs" },
  "unsupported": { exit: 10, about: "this system, or this build, cannot do that" },
} as const satisfies Record<string, { exit: Exit; about: string }>;

/** A stable error code. */
export type ErrorCode = keyof typeof ERRORS;

/** What may accompany an error. */
export interface ErrorDetails {
  /** What the person can do next: one sentence. */
  readonly hint?: string;
  /** The error underneath, for `--verbose`. */
  readonly cause?: unknown;
  /** Further fields for scripts, printed in the JSON error document. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** An operating failure that a person can understand and act upon. */
export class OmertaError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = "OmertaError";
    this.code = code;
    this.hint = details.hint;
    this.fields = details.fields ?? {};
  }

  /** The exit status of the class to which the code belongs. */
  get exit(): number {
    return ERRORS[this.code].exit;
  }
}

/** Whether `text` is a known error code: for codes that come from another process or peer. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}
