/**
 * Reading whole maps: one table of readers says what the fields of an object are.
 *
 * @module
 */
import { fail, ok, type Result } from "../base/mod.ts";
import {
  type CborMap,
  type Field,
  readBytes,
  readInteger,
  readOptional,
  readText,
} from "../wire/mod.ts";

/** Reads one field. */
export type FieldReader<T> = (map: CborMap, name: string) => Field<T>;

type Readers = Readonly<Record<string, FieldReader<unknown>>>;

/** What a table of readers reads. */
export type Fields<R extends Readers> = {
  readonly [K in keyof R]: R[K] extends FieldReader<infer T> ? T : never;
};

/**
 * Reads all fields of the table.
 *
 * @param others Whether fields that the table does not name are let pass. Where they could restrict
 *   what the known ones allow, they must not be.
 */
export function readFields<R extends Readers>(
  map: CborMap,
  readers: R,
  others: "refuse" | "ignore",
): Result<Fields<R>, "bad-field"> {
  if (others === "refuse" && Object.keys(map).some((name) => !Object.hasOwn(readers, name))) {
    return fail("bad-field");
  }
  const values: Record<string, unknown> = {};
  for (const [name, read] of Object.entries(readers)) {
    const field = read(map, name);
    if (!field.ok) return fail("bad-field");
    values[name] = field.value;
  }
  return ok(values as Fields<R>);
}

/** A byte string of that length. */
export function bytesOf(
  length: number | { readonly min: number; readonly max: number },
): FieldReader<Uint8Array> {
  return (map, name) => readBytes(map, name, length);
}

/** An integer from `min` to `max`. */
export function integerOf(min: number, max: number): FieldReader<number> {
  return (map, name) => readInteger(map, name, { min, max });
}

/** Text that a predicate accepts. */
export function textOf(charsMax: number, isGood: (text: string) => boolean): FieldReader<string> {
  return (map, name) => {
    const text = readText(map, name, { charsMax });
    return text.ok && !isGood(text.value) ? fail(`bad:${name}`) : text;
  };
}

/** A field that may be absent. */
export function optional<T>(read: FieldReader<T>): FieldReader<T | undefined> {
  return (map, name) => readOptional(map, name, read);
}

/** A time: whole seconds since 1970, up to the year 9999, so that every date library takes it. */
export const secondsOf: FieldReader<number> = integerOf(0, 253_402_300_799);

/** An Ed25519 or X25519 public key. */
export const keyOf: FieldReader<Uint8Array> = bytesOf(32);
