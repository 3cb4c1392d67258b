/**
 * The shapes of which questions and answers are made: bounded texts, bytes, counts and ids.
 *
 * @module
 */
import * as v from "valibot";
import { ID_CHARS, isId, isVmId } from "../../base/mod.ts";
import { parseAddress } from "../../wire/mod.ts";

/** A day in milliseconds. */
export const DAY_MS = 86_400_000;

/** A whole number from 0 to `max`. */
export const count = (max: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(max));
/** Exactly so many bytes. */
export const bytes = (length: number) =>
  v.pipe(v.instance(Uint8Array<ArrayBufferLike>), v.check((b) => b.length === length));
/** At most so many bytes. */
export const bytesUpTo = (max: number) =>
  v.pipe(v.instance(Uint8Array<ArrayBufferLike>), v.check((b) => b.length <= max));
/** At most so many characters. */
export const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
/** The id of a node, 52 characters. */
export const nodeId = v.pipe(text(ID_CHARS), v.check(isId));
/** The id of a VM, 16 characters. */
export const vmId = v.pipe(text(16), v.check(isVmId));
/** `IP:PORT`. */
export const address = v.pipe(text(64), v.check((value) => parseAddress(value).ok));
/** An unsigned 32-bit number that is not 0. */
export const uint32 = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(0xffff_ffff));
/** No fields at all. */
export const nothing = v.strictObject({});
