/**
 * Readers for the fields of a decoded map. Each checks type and limits of one field and answers with
 * the value or a reason that names the field, so that message parsers are short and total.
 *
 * @example
 * ```ts
 * const key = readBytes(map, "k", 32);
 * if (!key.ok) return key;
 * ```
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";
import type { CborMap, CborValue } from "./cbor.ts";
import { type CborFault, decodeCbor, type DecodeLimits } from "./cbor_decode.ts";

/** Why a field is refused: `missing:NAME`, or `bad:NAME` for a wrong type, length or range. */
export type FieldFault = `missing:${string}` | `bad:${string}`;

/** The value of a field. */
export type Field<T> = Result<T, FieldFault>;

/** Closed ranges of lengths or numbers, both ends allowed. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Whether a value is a map of the profile. */
export function isCborMap(value: CborValue): value is CborMap {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array);
}

/** Decodes bytes that must hold one map. */
export function decodeCborMap(
  bytes: Uint8Array,
  limits: DecodeLimits,
): Result<CborMap, CborFault | "not-a-map"> {
  const decoded = decodeCbor(bytes, limits);
  if (!decoded.ok) return decoded;
  return isCborMap(decoded.value) ? ok(decoded.value) : fail("not-a-map");
}

/** Whether the field is there. */
export function hasField(map: CborMap, name: string): boolean {
  return Object.hasOwn(map, name);
}

/** A byte string of exactly `length` bytes, or of a length within a range. */
export function readBytes(map: CborMap, name: string, length: number | Range): Field<Uint8Array> {
  const { min, max } = typeof length === "number" ? { min: length, max: length } : length;
  return readField(map, name, (value) => {
    return value instanceof Uint8Array && value.length >= min && value.length <= max;
  });
}

/** An integer within a range. */
export function readInteger(map: CborMap, name: string, range: Range): Field<number> {
  return readField(map, name, (value) => {
    return typeof value === "number" && value >= range.min && value <= range.max;
  });
}

/** Text that matches a whole pattern and is at most `charsMax` UTF-16 units long (checked first). */
export function readText(
  map: CborMap,
  name: string,
  limits: { readonly charsMax: number; readonly pattern?: RegExp },
): Field<string> {
  return readField(map, name, (value) => {
    return typeof value === "string" && value.length <= limits.charsMax &&
      (limits.pattern === undefined || limits.pattern.test(value));
  });
}

/** An array of at most `countMax` values of any kind. */
export function readArray(map: CborMap, name: string, countMax: number): Field<CborValue[]> {
  return readField(map, name, (value) => Array.isArray(value) && value.length <= countMax);
}

/** An array whose items all match a pattern. */
export function readTexts(
  map: CborMap,
  name: string,
  limits: { readonly countMax: number; readonly charsMax: number; readonly pattern?: RegExp },
): Field<string[]> {
  const isItem = (value: CborValue): value is string =>
    typeof value === "string" && value.length <= limits.charsMax &&
    (limits.pattern === undefined || limits.pattern.test(value));
  return readField(map, name, (value) => {
    return Array.isArray(value) && value.length <= limits.countMax && value.every(isItem);
  });
}

/** A map. */
export function readMap(map: CborMap, name: string): Field<CborMap> {
  return readField(map, name, isCborMap);
}

/**
 * Makes an optional field of a required one: absent is `undefined`, present must be good.
 *
 * @param read One of the readers above, bound to its limits.
 */
export function readOptional<T>(
  map: CborMap,
  name: string,
  read: (map: CborMap, name: string) => Field<T>,
): Field<T | undefined> {
  return hasField(map, name) ? read(map, name) : ok(undefined);
}

function readField<T extends CborValue>(
  map: CborMap,
  name: string,
  isGood: (value: CborValue) => boolean,
): Field<T> {
  if (!Object.hasOwn(map, name)) return fail(`missing:${name}`);
  const value = map[name] as CborValue;
  return isGood(value) ? ok(value as T) : fail(`bad:${name}`);
}
