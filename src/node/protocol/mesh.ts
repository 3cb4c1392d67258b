/**
 * The calls by which members stay in touch: liveness, candidates of paths, sessions at a relay.
 *
 * @module
 */
import * as v from "valibot";
import { address, nodeId, nothing, uint32 } from "./shapes.ts";

/** Candidates that one side names at most. */
const CANDIDATES_MAX = 16;
const addresses = v.strictObject({
  addresses: v.pipe(v.array(address), v.maxLength(CANDIDATES_MAX)),
});

/** Liveness, paths and relays. */
export const MESH_CALLS = {
  "ping": { question: nothing, answer: nothing },
  "path.candidates": { question: addresses, answer: addresses },
  "relay.allocate": {
    question: v.strictObject({ peer: nodeId }),
    answer: v.strictObject({ session: uint32, address }),
  },
  "relay.offer": {
    question: v.strictObject({ session: uint32, peer: nodeId, address }),
    answer: nothing,
  },
} as const;
