/**
 * The bytes of a question, an answer or a refusal: a CBOR map of exactly the shape that is expected.
 *
 * @module
 */
import * as v from "valibot";
import { fail, ok, type Result } from "../../base/mod.ts";
import { type CborMap, type CborValue, decodeCborMap, encodeCbor } from "../../wire/mod.ts";

/** Bytes of a call's body at most. Source: the design, RPC over sessions. */
export const BODY_BYTES_MAX = 16_384;

/** The body of a question or answer. */
export function encodeBody(body: object): Uint8Array {
  return encodeCbor(body as CborMap as CborValue);
}

/** Parses a body by its schema. */
export function parseBody<S extends v.GenericSchema>(
  schema: S,
  body: Uint8Array,
): Result<v.InferOutput<S>, "malformed-body"> {
  const map = decodeCborMap(body, { bytesMax: BODY_BYTES_MAX });
  if (!map.ok) return fail("malformed-body");
  const parsed = v.safeParse(schema, map.value);
  return parsed.success ? ok(parsed.output) : fail("malformed-body");
}
