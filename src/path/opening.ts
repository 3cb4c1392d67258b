/**
 * Which addresses a session may be opened at, and what they may get before somebody answers there. A
 * person's word is that person's own act; a record is anybody's word, and its addresses are treated as
 * candidates are that nobody vouched for.
 *
 * @module
 */
import type { AddressScope } from "../wire/mod.ts";
import type { Allowance } from "./budget.ts";
import { isAdmissible } from "./candidates.ts";
import {
  FINISH_BYTES_MAX,
  FINISH_DATAGRAMS_MAX,
  UNVOUCHED_BYTES_MAX,
  UNVOUCHED_PROBES_MAX,
} from "./constants.ts";

/** Who named an address: the owner of this node (an invite, a flag), or a record. */
export type Namer = "person" | "record";

/** What the rule looks at besides who named the address. */
export interface OpeningContext {
  readonly scope: AddressScope;
  /** Whether the address lies in a prefix of one of our own interfaces. */
  readonly attached: boolean;
  /** Whether peers are seen on a loopback address. */
  readonly loopback: boolean;
  /** Whether peers may learn our own address. */
  readonly direct: boolean;
}

/** Whether a session may be opened there. */
export function mayOpen(namer: Namer, context: OpeningContext): boolean {
  if (namer === "person") return context.scope !== "unusable";
  return context.direct && isAdmissible({ ...context, vouched: false }, context);
}

/** What an address may get within a window until it answers, by the message that is to be sent. */
export function openingAllowance(namer: Namer, message: "hello" | "finish"): Allowance {
  if (namer === "person") return { datagrams: Infinity, bytes: Infinity };
  return message === "hello"
    ? { datagrams: UNVOUCHED_PROBES_MAX, bytes: UNVOUCHED_BYTES_MAX }
    : { datagrams: FINISH_DATAGRAMS_MAX, bytes: FINISH_BYTES_MAX };
}
