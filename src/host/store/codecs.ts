/**
 * How fields are kept in columns, and what of a column is taken back: SQLite holds what anybody wrote
 * into the file, so that each codec looks at the value and refuses, by a `BadColumn`, what this program
 * never writes.
 *
 * @module
 */
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import * as v from "valibot";
import type { Frozen } from "../../base/mod.ts";

/** What a column holds is not what its field can be. */
export class BadColumn extends Error {
  override readonly name = "BadColumn";
}

/** How a field is kept in a column. */
export interface Codec<T> {
  encode(value: T): SQLInputValue;
  /** @throws {BadColumn} what the field cannot be. */
  decode(value: SQLOutputValue): T;
}

/** Latest moment that a date can be, in Unix milliseconds. Source: ECMA-262 §21.4.1.1. */
export const TIME_MS_MAX = 8_640_000_000_000_000;

/** Longest duration that is kept: ten years, the longest life that a provider may tell. */
export const DURATION_MS_MAX = 10 * 366 * 86_400_000;

/** A whole number from `min` to `max`, kept as INTEGER. */
function wholeNumber(what: string, min: number, max: number): Codec<number> {
  return {
    encode: (value) => value,
    decode: (value) => {
      if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new BadColumn(not(what));
      if (value < min || value > max) throw new BadColumn(not(what));
      return value;
    },
  };
}

function not(what: string): string {
  return `it is no ${what}`;
}

/** A count or a number in a row of numbers. */
export const integer = wholeNumber("number", 0, Number.MAX_SAFE_INTEGER);

/** A moment in Unix milliseconds. */
export const time = wholeNumber("time", 0, TIME_MS_MAX);

/** A span of time in milliseconds. */
export const duration = wholeNumber("duration", 0, DURATION_MS_MAX);

/** A number of 32 bits. */
export const uint32 = wholeNumber("number of 32 bits", 0, 2 ** 32 - 1);

/** True and false as 1 and 0. */
export const boolean: Codec<boolean> = {
  encode: (value) => value ? 1 : 0,
  decode: (value) => {
    if (value !== 0 && value !== 1) throw new BadColumn(not("yes or no"));
    return value === 1;
  },
};

/** Bytes; the caller's are copied, those that come back are the caller's own. */
export const bytes: Codec<Uint8Array> = {
  encode: (value) => value,
  decode: (value) => {
    if (value instanceof Uint8Array) return value;
    throw new BadColumn(not("BLOB"));
  },
};

/** Exactly `count` bytes: a key. */
export function bytesOf(count: number): Codec<Uint8Array> {
  return {
    encode: bytes.encode,
    decode: (value) => {
      const decoded = bytes.decode(value);
      if (decoded.length !== count) throw new BadColumn(not(`key of ${count} bytes`));
      return decoded;
    },
  };
}

/** Any text. */
export function text<T extends string = string>(): Codec<T> {
  return textOf("text", () => true) as Codec<T>;
}

/** Text that passes `isRight`, one of its branded kinds; `what` names it. */
export function textOf<T extends string = string>(
  what: string,
  isRight: (text: string) => boolean,
): Codec<T> {
  return {
    encode: (value) => value,
    decode: (value) => {
      if (typeof value !== "string" || !isRight(value)) throw new BadColumn(not(what));
      return value as T;
    },
  };
}

/** JSON of a schema's shape; `what` names it. What the schema does not name is left out. */
export function json<S extends v.GenericSchema>(
  what: string,
  schema: S,
): Codec<Frozen<v.InferOutput<S>>> {
  return {
    encode: (value) => JSON.stringify(value),
    decode: (value) => {
      const parsed = v.safeParse(schema, parsedJson(value));
      if (!parsed.success) throw new BadColumn(not(what));
      return parsed.output as Frozen<v.InferOutput<S>>;
    },
  };
}

/** What a column's JSON says. @throws {BadColumn} */
function parsedJson(value: SQLOutputValue | undefined): unknown {
  try {
    return JSON.parse(String(value));
  } catch {
    throw new BadColumn(not("JSON"));
  }
}

/** The same, where null stands for "none" or "unknown". */
export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return {
    encode: (value) => value === null ? null : codec.encode(value),
    decode: (value) => value === null ? null : codec.decode(value),
  };
}
