/**
 * The calls by which one becomes and stays a member, and members' records are told.
 *
 * @module
 */
import * as v from "valibot";
import { RECORDS_PER_PAGE } from "../../gossip/mod.ts";
import type { AdmissionWord } from "../../membership/mod.ts";
import { bytes, bytesUpTo, count, nodeId, nothing, text } from "./shapes.ts";

/** An `AdmissionWord` as it travels; `membership/admission.ts` judges what it says. */
const admission = v.strictObject({
  /** The certificate. */
  c: bytesUpTo(1_024),
  /** The network's name. */
  m: text(64),
  /** The epoch's number and key. */
  q: count(2 ** 32),
  k: bytes(32),
});

/** An admitter's word as the answer of `redeem` and of `renew`. */
export function admissionAnswer(
  { certificate: c, name: m, epoch: { epoch: q, key: k } }: AdmissionWord,
): v.InferOutput<typeof admission> {
  return { c, m, q, k };
}

/** The word in an answer of `redeem` or of `renew`. */
export function admissionWord({ c, m, q, k }: v.InferOutput<typeof admission>): AdmissionWord {
  return { certificate: c, name: m, epoch: { epoch: q, key: k } };
}

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
