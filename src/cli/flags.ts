/**
 * The flags of commands as data: how each is written, and how its text becomes a value.
 *
 * @module
 */
import type { Parse, Parsed } from "./values.ts";

/** One flag: how it is written, and how its text becomes a value. */
export interface Flag<T> {
  /** What stands after it, `SIZE`; `null` for a switch. */
  readonly value: string | null;
  readonly about: string;
  /** The value where the flag is not given. */
  readonly initial: T;
  /** `initial` as people would write it; `null` where there is nothing to say. */
  readonly shown: string | null;
  /** Other names, without dashes. */
  readonly also: readonly string[];
  /** Not in the help: for this program's own use. */
  readonly hidden: boolean;
  readonly repeats: boolean;
  /** The value after one more occurrence with `text` (`""` for a switch). */
  take(previous: T, text: string): Parsed<T>;
}

/** The flags of a command by camel-case name: `maxVms` is written `--max-vms`. */
export type Flags = Readonly<Record<string, Flag<unknown>>>;

/** The values of flags. */
export type FlagValues<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

/** A switch: false unless given. */
export function toggle(about: string): Flag<boolean> {
  const take = () => ({ ok: true, value: true } as const);
  return { ...plain, value: null, about, initial: false, shown: null, take };
}

/** A flag with a default, `shown` in the help as it would be written. */
export function option<T>(
  value: string,
  about: string,
  { parse, initial, shown }: { parse: Parse<T>; initial: T; shown: string },
): Flag<T> {
  return { ...plain, value, about, initial, shown, take: (_, text) => parse(text) };
}

/** A flag without a default: `null` unless given. */
export function maybe<T>(value: string, about: string, parse: Parse<T>): Flag<T | null> {
  const take = (_: T | null, text: string) => parse(text);
  return { ...plain, value, about, initial: null, shown: null, take };
}

/** A flag that may be repeated. */
export function list<T>(value: string, about: string, parse: Parse<T>): Flag<readonly T[]> {
  const take = (previous: readonly T[], text: string): Parsed<readonly T[]> => {
    const parsed = parse(text);
    return parsed.ok ? { ok: true, value: [...previous, parsed.value] } : parsed;
  };
  return { ...plain, value, about, initial: [], shown: null, repeats: true, take };
}

/** The flag under further names. */
export function also<T>(flag: Flag<T>, ...names: string[]): Flag<T> {
  return { ...flag, also: names };
}

/** The flag, left out of the help. */
export function hidden<T>(flag: Flag<T>): Flag<T> {
  return { ...flag, hidden: true };
}

const plain = { also: [], hidden: false, repeats: false } as const;

/** `maxVms` as it is written: `max-vms`. */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
