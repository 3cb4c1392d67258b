/**
 * The calls by which one becomes and stays a member, and members' records are told.
 *
 * @module
 */
import * as v from "valibot";
import { bytes, bytesUpTo, count, nodeId, nothing, text } from "./shapes.ts";

/** Records in one answer of a directory: 12 of at most 1 KiB each fit into a body. */
export const RECORDS_PER_PAGE = 12;

/** As `membership/admission.ts` writes and judges them. */
const admission = v.strictObject({
  c: bytesUpTo(1_024),
  m: text(64),
  q: count(2 ** 32),
  k: bytes(32),
});

/** Invites, certificates and records. */
export const MEMBERSHIP_CALLS = {
  "redeem": { question: v.strictObject({ s: bytes(32) }), answer: admission },
  "renew": { question: v.strictObject({ c: bytesUpTo(1_024) }), answer: admission },
  "record.publish": {
    question: v.strictObject({ record: bytesUpTo(1_024) }),
    answer: nothing,
  },
  "record.list": {
    question: v.strictObject({ after: v.nullable(nodeId) }),
    answer: v.strictObject({
      records: v.pipe(v.array(bytesUpTo(1_024)), v.maxLength(RECORDS_PER_PAGE)),
      next: v.nullable(nodeId),
    }),
  },
} as const;
