/**
 * The calls between nodes: name, shape of the question, shape of the answer. Bodies are CBOR maps;
 * what does not have exactly the shape is refused before anybody looks at it.
 *
 * | who asks | whom | calls |
 * | --- | --- | --- |
 * | a joiner | an admitter | `redeem` (the only call of an invite session) |
 * | a member | an admitter | `renew` |
 * | a member | a relay | `record.publish`, `record.list`, `relay.allocate` |
 * | a relay | a member | `relay.offer` |
 * | a peer | a peer | `ping`, `path.candidates` |
 * | a renter | a provider | `vm.reserve`, `vm.create`, `vm.status`, `vm.renew`, `vm.extend`, `vm.release` |
 * | a provider | a renter | `vm.event` |
 *
 * @module
 */
import type * as v from "valibot";
import type { Result } from "../../base/mod.ts";
import { parseBody } from "./body.ts";
import { MEMBERSHIP_CALLS } from "./membership.ts";
import { MESH_CALLS } from "./mesh.ts";
import { VM_CALLS } from "./vm.ts";

export { BODY_BYTES_MAX, encodeBody } from "./body.ts";
export { admissionAnswer, admissionWord } from "./membership.ts";
export {
  encodeRefusal,
  parseRefusal,
  PEER_CODES,
  type PeerRefusal,
  type Refusal,
} from "./refusal.ts";
export type { VmStateMessage } from "./vm.ts";

/** Every call with its question and answer. */
export const CALLS = { ...MEMBERSHIP_CALLS, ...MESH_CALLS, ...VM_CALLS } as const;

/** The name of a call. */
export type CallName = keyof typeof CALLS;
/** The question of a call. */
export type Question<N extends CallName> = v.InferOutput<(typeof CALLS)[N]["question"]>;
/** The answer of a call. */
export type Answer<N extends CallName> = v.InferOutput<(typeof CALLS)[N]["answer"]>;
/** The calls of those names, as a part's table of calls. */
export type Calls<N extends CallName> = {
  readonly [Name in N]: { readonly question: Question<Name>; readonly answer: Answer<Name> };
};

/** Whether `name` is a call. */
export function isCallName(name: string): name is CallName {
  return Object.hasOwn(CALLS, name);
}

/** Parses the question of a call. */
export function parseQuestion<N extends CallName>(
  name: N,
  body: Uint8Array,
): Result<Question<N>, "malformed-body"> {
  return parseBody(CALLS[name].question, body) as Result<Question<N>, "malformed-body">;
}

/** Parses the answer of a call. */
export function parseAnswer<N extends CallName>(
  name: N,
  body: Uint8Array,
): Result<Answer<N>, "malformed-body"> {
  return parseBody(CALLS[name].answer, body) as Result<Answer<N>, "malformed-body">;
}
